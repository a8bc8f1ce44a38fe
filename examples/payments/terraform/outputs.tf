output "lake_bucket" {
  value = aws_s3_bucket.lake.bucket
}

output "payment_events_stream" {
  value = aws_kinesis_stream.payment_events.name
}

output "spark_role_arn" {
  value = aws_iam_role.spark.arn
}
