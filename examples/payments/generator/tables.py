"""The raw tables as SQL that DuckDB and PostgreSQL read alike."""

from dataclasses import dataclass
from datetime import datetime

PRIME = 2_147_483_647
CURRENCIES = {"EUR": 100, "USD": 92, "GBP": 117, "CHF": 104, "SEK": 9, "PLN": 23, "JPY": 1}
COUNTRIES = ("DE", "FR", "GB", "US", "SE", "PL", "NL", "ES", "CH", "JP")
FILE_TABLES = ("payments", "merchants", "customers", "refunds", "chargebacks", "fx_rates", "fraud_scores")
STREAM_FIELDS = ("payment_id", "merchant_id", "amount_minor", "currency", "status", "event_time")


@dataclass(frozen=True)
class Plan:
    """What to generate: payments, the seed of all values, the moment of the newest row (UTC), days of history."""

    rows: int
    seed: int
    as_of: datetime
    days: int = 90

    @property
    def merchants(self) -> int:
        return max(40, self.rows // 250)

    @property
    def customers(self) -> int:
        return max(100, self.rows // 8)

    @property
    def now(self) -> str:
        return f"timestamp '{self.as_of:%Y-%m-%d %H:%M:%S}'"


def queries(plan: Plan) -> list[tuple[str, str]]:
    """Name and query of each table, parents first."""
    return [
        ("merchants", _merchants(plan)),
        ("customers", _customers(plan)),
        ("fx_rates", _fx_rates(plan)),
        ("payments", _payments(plan)),
        ("payment_events", _payment_events(plan)),
        ("refunds", _refunds(plan)),
        ("chargebacks", _chargebacks(plan)),
        ("fraud_scores", _fraud_scores(plan)),
        ("payouts", _payouts(plan)),
    ]


def stream_query(limit: int) -> str:
    """The newest payments as stream events in the order of their time."""
    return f"""
        select payment_id, merchant_id, amount_minor, currency, status, strftime(created_at, '%Y-%m-%dT%H:%M:%SZ')
        from (select * from raw.payments order by created_at desc, payment_id limit {limit}) as newest
        order by created_at, payment_id"""


def _draw(plan: Plan, salt: int, of: str = "i") -> str:
    """A whole number in [0, 2^31) that depends on `of`, the salt and the seed.

    Two squarings modulo a prime: without them, draws of different salts would be shifted copies of one another.
    Every product stays below 2^63.
    """
    start = f"(({of} * 48271 + {(salt * 1_000_003 + plan.seed * 7_919) % PRIME}) % {PRIME})"
    mixed = f"((({start} * {start}) % {PRIME}) * 69621 + {start}) % {PRIME}"
    return f"((({mixed}) * ({mixed})) % {PRIME})"


def _series(count: int) -> str:
    return f"generate_series(cast(1 as bigint), cast({count} as bigint)) as series(i)"


def _pick(draw: str, values: tuple[str, ...]) -> str:
    whens = " ".join(f"when {at} then '{value}'" for at, value in enumerate(values))
    return f"case {draw} % {len(values)} {whens} end"


def _identifier(prefix: str, number: str, width: int = 9) -> str:
    return f"'{prefix}' || lpad(cast({number} as varchar), {width}, '0')"


def _merchants(plan: Plan) -> str:
    return f"""
        with drawn as (
            select i, {_draw(plan, 11)} as d_country, {_draw(plan, 12)} as d_category, {_draw(plan, 13)} as d_tier,
                {_draw(plan, 14)} as d_age, {_draw(plan, 15)} as d_update, {_draw(plan, 16)} as d_active
            from {_series(plan.merchants)}
        )
        select {_identifier("mer_", "i", 7)} as merchant_id,
            'Merchant ' || cast(i as varchar) as merchant_name,
            {_pick("d_country", COUNTRIES)} as country_code,
            {_pick("d_category", ("5411", "5812", "5732", "4111", "5999", "7372", "7995", "8398"))} as category_code,
            case when d_tier % 100 < 5 then 'enterprise' when d_tier % 100 < 30 then 'growth' else 'standard' end
                as tier,
            d_active % 100 < 96 as is_active,
            {plan.now} - interval '1 second' * ({plan.days} * 86400 + d_age % 63072000) as onboarded_at,
            {plan.now} - interval '1 second' * (d_update % ({plan.days} * 86400)) as updated_at,
            {plan.now} - interval '1 second' * (d_update % 7200) as loaded_at
        from drawn"""


def _customers(plan: Plan) -> str:
    return f"""
        with drawn as (
            select i, {_draw(plan, 21)} as d_country, {_draw(plan, 22)} as d_segment, {_draw(plan, 23)} as d_kyc,
                {_draw(plan, 24)} as d_age, {_draw(plan, 25)} as d_update
            from {_series(plan.customers)}
        )
        select {_identifier("cus_", "i")} as customer_id,
            {_pick("d_country", COUNTRIES)} as country_code,
            case when d_segment % 100 < 12 then 'business' when d_segment % 100 < 20 then 'premium' else 'consumer' end
                as segment,
            case when d_kyc % 100 < 90 then 'verified' when d_kyc % 100 < 97 then 'pending' else 'rejected' end
                as kyc_status,
            {plan.now} - interval '1 second' * ({plan.days} * 86400 + d_age % 47304000) as created_at,
            {plan.now} - interval '1 second' * (d_update % ({plan.days} * 86400)) as updated_at,
            {plan.now} - interval '1 second' * (d_update % 7200) as loaded_at
        from drawn"""


def _fx_rates(plan: Plan) -> str:
    pairs = ", ".join(f"('{code}', {cents}, {at})" for at, (code, cents) in enumerate(CURRENCIES.items()))
    move = _draw(plan, 31, "(series.i * 16 + pair.place)")
    return f"""
        select cast({plan.now} - interval '1 day' * (series.i - 1) as date) as rate_date,
            pair.currency, 'EUR' as quote_currency,
            cast(case when pair.currency = 'EUR' then 1
                 else pair.cents * 0.01 * (1 + ({move} % 401 - 200) * 0.0001) end as numeric(18, 8)) as rate,
            {plan.now} - interval '1 day' * (series.i - 1) as loaded_at
        from {_series(plan.days + 10)}
        cross join (values {pairs}) as pair(currency, cents, place)"""


def _payments(plan: Plan) -> str:
    # Of a thousand payments 80 wait for a manual review, and 80 (others) belong to sub-merchants of marketplaces that
    # the registry does not know yet. Both shares are what the story in README.md loses by a plausible edit.
    return f"""
        with drawn as (
            select i, {_draw(plan, 41)} as d_merchant, {_draw(plan, 42)} as d_skew, {_draw(plan, 43)} as d_customer,
                {_draw(plan, 44)} as d_amount, {_draw(plan, 45)} as d_size, {_draw(plan, 46)} as d_currency,
                {_draw(plan, 47)} % 1000 as d_status, {_draw(plan, 48)} as d_method, {_draw(plan, 49)} as d_age,
                {_draw(plan, 50)} as d_update, {_draw(plan, 51)} % 1000 as d_known, {_draw(plan, 52)} as d_load
            from {_series(plan.rows)}
        ), timed as (
            select *, {plan.now} - interval '1 second' * (d_age % ({plan.days} * 86400)) as created_at
            from drawn
        ), updated as (
            select *, least(created_at + interval '1 second' * (d_update % 172800), {plan.now}) as updated_at
            from timed
        )
        select {_identifier("pay_", "i")} as payment_id,
            case when d_known < 80 then {_identifier("sub_", f"(1 + d_merchant % {max(8, plan.merchants // 8)})", 7)}
                 else {_identifier("mer_", f"(1 + least(d_merchant % {plan.merchants}, d_skew % {plan.merchants}))", 7)}
            end as merchant_id,
            {_identifier("cus_", f"(1 + d_customer % {plan.customers})")} as customer_id,
            100 + (d_amount % 400) * (1 + d_size % 60) as amount_minor,
            case when d_currency % 100 < 45 then 'EUR' when d_currency % 100 < 70 then 'USD'
                 when d_currency % 100 < 85 then 'GBP' when d_currency % 100 < 90 then 'CHF'
                 when d_currency % 100 < 94 then 'SEK' when d_currency % 100 < 98 then 'PLN' else 'JPY' end as currency,
            case when d_status < 600 then 'settled' when d_status < 720 then 'captured'
                 when d_status < 780 then 'authorized' when d_status < 860 then 'pending_review'
                 when d_status < 920 then 'failed' when d_status < 970 then 'refunded'
                 when d_status < 990 then 'voided' else 'disputed' end as status,
            case when d_method % 100 < 68 then 'card' when d_method % 100 < 86 then 'wallet'
                 when d_method % 100 < 95 then 'bank_transfer' else 'instalments' end as method,
            created_at, updated_at,
            least(updated_at + interval '1 second' * (60 + d_load % 3600), {plan.now}) as loaded_at
        from updated"""


def _payment_events(plan: Plan) -> str:
    return f"""
        select payment_id || '-1' as event_id, payment_id, 'authorized' as event_type, created_at as occurred_at,
            least(created_at + interval '60 second', {plan.now}) as loaded_at
        from raw.payments
        union all
        select payment_id || '-2' as event_id, payment_id, status as event_type, updated_at as occurred_at, loaded_at
        from raw.payments where status <> 'authorized'"""


def _refunds(plan: Plan) -> str:
    number = "cast(substr(payment_id, 5) as bigint)"
    return f"""
        select 'ref_' || substr(payment_id, 5) as refund_id, payment_id,
            case when {_draw(plan, 61, number)} % 10 < 7 then amount_minor
                 else amount_minor - (amount_minor - 1) % 50 - 1 end as amount_minor,
            currency,
            {_pick(_draw(plan, 62, number), ("requested_by_customer", "duplicate", "fraudulent", "not_delivered"))}
                as reason,
            updated_at as created_at, loaded_at
        from raw.payments where status = 'refunded'"""


def _chargebacks(plan: Plan) -> str:
    number = "cast(substr(payment_id, 5) as bigint)"
    return f"""
        select 'chb_' || substr(payment_id, 5) as chargeback_id, payment_id, amount_minor, currency,
            {_pick(_draw(plan, 71, number), ("fraud", "unrecognised", "service"))} as reason,
            {_pick(_draw(plan, 72, number), ("open", "won", "lost", "lost"))} as outcome,
            updated_at as opened_at, loaded_at
        from raw.payments where status = 'disputed'"""


def _fraud_scores(plan: Plan) -> str:
    number = "cast(substr(payment_id, 5) as bigint)"
    first, second = _draw(plan, 81, number), _draw(plan, 82, number)
    return f"""
        select payment_id, cast(least({first} % 1000, {second} % 1000) * 0.001
                + case when status = 'disputed' then 0.4 else 0 end as numeric(8, 4)) as score,
            case when {first} % 10 < 8 then 'v3' else 'v4' end as model_version,
            created_at as scored_at, least(created_at + interval '30 second', {plan.now}) as loaded_at
        from raw.payments"""


def _payouts(plan: Plan) -> str:
    day = "cast(created_at as date)"
    return f"""
        select 'out_' || merchant_id || '_' || cast({day} as varchar) || '_' || currency as payout_id,
            merchant_id, {day} as payout_date, currency,
            cast(sum(amount_minor) as bigint) as gross_minor,
            cast(sum(1 + amount_minor % 97) as bigint) as fee_minor,
            cast(count(*) as bigint) as payments,
            max(loaded_at) as loaded_at
        from raw.payments
        where status = 'settled'
        group by merchant_id, {day}, currency"""
