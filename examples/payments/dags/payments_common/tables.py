"""Datasets that the DAGs tell each other about, by the warehouse's own names."""

from airflow.datasets import Dataset

WAREHOUSE = "warehouse://payments"


def table(schema, name):
    """The dataset of one warehouse table."""
    return Dataset(f"{WAREHOUSE}/{schema}/{name}")


RAW_PAYMENTS = table("raw", "payments")
RAW_PAYMENT_EVENTS = table("raw", "payment_events")
RAW_MERCHANTS = table("raw", "merchants")
RAW_CUSTOMERS = table("raw", "customers")
RAW_REFUNDS = table("raw", "refunds")
RAW_CHARGEBACKS = table("raw", "chargebacks")
RAW_FX_RATES = table("raw", "fx_rates")
RAW_FRAUD_SCORES = table("raw", "fraud_scores")
RAW_PAYOUTS = table("raw", "payouts")

FCT_PAYMENTS = table("marts", "fct_payments")
FCT_REFUNDS = table("marts", "fct_refunds")
MART_SETTLEMENT_DAILY = table("marts", "mart_settlement_daily")
MART_REVENUE_MONTHLY = table("marts", "mart_revenue_monthly")

SETTLEMENT_FILES = Dataset("file://lake/settlements")
MERCHANT_FEATURES = Dataset("file://lake/merchant_features")
