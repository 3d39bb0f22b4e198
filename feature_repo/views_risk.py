"""What is known of a person's credit, for risk alone: the wide view, and the narrow one that decisions read online."""

from dataclasses import replace

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.views_customer import ACTED, TTL
from scenefit.contracts.schema import Purpose

# how somebody repays says what a bureau record says, though single due dates may be told of in a service message
RISK: tuple[Purpose, ...] = ("risk",)
DUES = ("repayments.due_at", "repayments.paid_at")

FIRST = (
    Feature("bureau_score", "float", "", "Score of the newest bureau record", "最近一次征信评分",
            ("bureau.at", "bureau.score")),
    Feature("bureau_inquiries_90d", "int", "", "Inquiries in 90 days, by the newest bureau record",
            "最近征信记录中的 90 天查询次数", ("bureau.at", "bureau.inquiries_90d")),
    Feature("bureau_debt", "float", "currency", "Total debt, by the newest bureau record",
            "最近征信记录中的总负债", ("bureau.at", "bureau.total_debt")),
    Feature("bureau_age_days", "int", "day", "Whole days since the newest bureau record",
            "最近征信记录至今整天数", ("bureau.at",), RISK),
    Feature("dues_365d", "int", "", "Amounts that fell due in 365 days, a day of grace over",
            "365 天内到期（过 1 天宽限）的期数", DUES, RISK),
    Feature("late_share_365d", "float", "1", "Share of dues not paid in full within a day",
            "逾期 1 天以上期数占比", DUES, RISK),
    Feature("late30_share_365d", "float", "1", "Share of dues not paid in full within 30 days",
            "逾期 30 天以上期数占比", DUES, RISK),
    Feature("max_days_late_365d", "int", "day", "Longest delay of a due, still open ones counted to the snapshot",
            "最长逾期天数（未结清计至快照）", DUES, RISK),
    Feature("overdue_now", "int", "", "Dues more than a day old and not paid in full", "当前逾期期数", DUES, RISK),
    Feature("overdue_amount_now", "float", "currency", "Due amounts not paid in full, whatever was paid in part",
            "当前逾期应还金额（不扣部分还款）", (*DUES, "repayments.due"), RISK),
    Feature("applications_365d", "int", "", "Credit applications in 365 days", "365 天授信申请次数",
            ("applications.at",)),
)  # fmt: skip
REPAYING = (
    Feature("on_time_streak_365d", "int", "",
            "Dues paid within a day in a row since the last late one, of 365 days, all accounts together",
            "自最近一次逾期以来连续按时（1 天内）还款的期数（365 天内，所有账户合计）", DUES, RISK),
    Feature("early_share_365d", "float", "1", "Share of dues paid in full more than a day early",
            "提前 1 天以上足额还款的期数占比", DUES, RISK),
    Feature("late_share_90d", "float", "1", "Share of dues of 90 days not paid in full within a day",
            "90 天内逾期 1 天以上期数占比", DUES, RISK),
)  # fmt: skip
SIGNALS = (
    Feature("applications_30d", "int", "", "Credit applications in 30 days", "30 天授信申请次数",
            ("applications.at",)),
    Feature("applications_90d", "int", "", "Credit applications in 90 days", "90 天授信申请次数",
            ("applications.at",)),
    Feature("bureau_inquiries_change", "int", "", "Inquiries of 90 days by the newest bureau record less those by the "
            "one before; empty: fewer than two records", "最近与上一条征信记录的 90 天查询次数之差；空：不足两条",
            ("bureau.at", "bureau.inquiries_90d")),
    Feature("bureau_score_change", "float", "", "Score of the newest bureau record less that of the one before; empty: "
            "fewer than two records", "最近与上一条征信记录的评分之差；空：不足两条", ("bureau.at", "bureau.score")),
    Feature("night_purchase_share_90d", "float", "1",
            "Share of purchases of 90 days from 23 to 6 o'clock, business time",
            "90 天购买中 23 点至 6 点（业务时间）的占比", ACTED, RISK),
)  # fmt: skip

CUSTOMER_RISK = View(
    name="customer_risk",
    source="customer_risk",
    entities=(CUSTOMER,),
    features=FIRST + REPAYING + SIGNALS,
    ttl=TTL,
    cadence="day",
    en="Bureau and repayment behaviour of everybody registered before the snapshot; empty where there is no record. "
    "Account status, balance and decisions are left out: the raw tables hold them as of today, not as of then",
    zh="快照前已注册者的征信与还款行为；无记录则为空。账户状态、余额与审批结果不使用：原始表只有当前值",
)

CUSTOMER_CREDIT = replace(
    CUSTOMER_RISK.only("bureau_debt", "overdue_now"),
    name="customer_credit",
    online=True,
    en="The few features of credit that a decision reads one customer at a time",
    zh="决策时按单个客户在线读取的少量信用特征",
)
