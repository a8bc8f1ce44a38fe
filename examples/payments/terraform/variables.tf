variable "environment" {
  type        = string
  description = "dev, staging or prod."

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "One of dev, staging, prod."
  }
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "bucket" {
  type        = string
  description = "Bucket of the lake."
}

variable "raw_retention_days" {
  type        = number
  description = "Days after which raw files leave the lake."
  default     = 400

  validation {
    condition     = var.raw_retention_days >= 30
    error_message = "Raw files stay for 30 days at least."
  }
}
