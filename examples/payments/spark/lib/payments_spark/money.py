"""Amounts: minor units in, currency units out."""

from pyspark.sql import Column
from pyspark.sql import functions as F

CURRENCIES_WITHOUT_MINOR_UNITS = ("JPY",)


def major(amount_minor: Column, currency: Column) -> Column:
    """The amount in units of its currency, as decimal(18, 2)."""
    factor = F.when(currency.isin(*CURRENCIES_WITHOUT_MINOR_UNITS), F.lit(1.0)).otherwise(F.lit(0.01))
    return (amount_minor * factor).cast("decimal(18,2)")


def is_earned(status: Column) -> Column:
    """Whether a payment of this status is money that the merchant earned."""
    return status.isin("settled", "captured")
