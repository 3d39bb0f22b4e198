"""What is known of a person's credit, for risk alone."""

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.views_customer import TTL

DUES = ("repayments.due_at", "repayments.paid_at")

CUSTOMER_RISK = View(
    name="customer_risk",
    source="customer_risk",
    entities=(CUSTOMER,),
    features=(
        Feature("bureau_score", "float", "", "Score of the newest bureau record", "最近一次征信评分",
                ("bureau.at", "bureau.score")),
        Feature("bureau_inquiries_90d", "int", "", "Inquiries in 90 days, by the newest bureau record",
                "最近征信记录中的 90 天查询次数", ("bureau.at", "bureau.inquiries_90d")),
        Feature("bureau_debt", "float", "currency", "Total debt, by the newest bureau record",
                "最近征信记录中的总负债", ("bureau.at", "bureau.total_debt")),
        Feature("bureau_age_days", "int", "day", "Whole days since the newest bureau record",
                "最近征信记录至今整天数", ("bureau.at",)),
        Feature("dues_365d", "int", "", "Amounts that fell due in 365 days, a day of grace over",
                "365 天内到期（过 1 天宽限）的期数", DUES),
        Feature("late_share_365d", "float", "1", "Share of dues not paid in full within a day",
                "逾期 1 天以上期数占比", DUES),
        Feature("late30_share_365d", "float", "1", "Share of dues not paid in full within 30 days",
                "逾期 30 天以上期数占比", DUES),
        Feature("max_days_late_365d", "int", "day", "Longest delay of a due, still open ones counted to the snapshot",
                "最长逾期天数（未结清计至快照）", DUES),
        Feature("overdue_now", "int", "", "Dues more than a day old and not paid in full", "当前逾期期数", DUES),
        Feature("overdue_amount_now", "float", "currency", "Due amounts not paid in full, whatever was paid in part",
                "当前逾期应还金额（不扣部分还款）", (*DUES, "repayments.due")),
        Feature("applications_365d", "int", "", "Credit applications in 365 days", "365 天授信申请次数",
                ("applications.at",)),
    ),
    ttl=TTL,
    cadence="day",
    en="Bureau and repayment behaviour of everybody registered before the snapshot; empty where there is no record. "
    "Account status, balance and decisions are left out: the raw tables hold them as of today, not as of then",
    zh="快照前已注册者的征信与还款行为；无记录则为空。账户状态、余额与审批结果不使用：原始表只有当前值",
)  # fmt: skip
