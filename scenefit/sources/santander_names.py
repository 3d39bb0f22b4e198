"""The 24 products of the Santander panel by name, and the families they belong to."""

from __future__ import annotations

from typing import NamedTuple


class Offered(NamedTuple):
    """A bank product: its family and its names."""

    family: str
    en: str
    zh: str


FAMILIES: dict[str, tuple[str, str]] = {
    "accounts": ("Accounts", "账户"),
    "deposits": ("Savings and deposits", "储蓄与存款"),
    "lending": ("Loans and cards", "贷款与信用卡"),
    "investments": ("Investments and pensions", "投资与养老金"),
    "payments": ("Salary, pension and bills", "工资、养老金与代缴"),
}

OFFERED: dict[str, Offered] = {
    "ind_ahor_fin_ult1": Offered("deposits", "Saving account", "储蓄账户"),
    "ind_aval_fin_ult1": Offered("lending", "Guarantee", "担保"),
    "ind_cco_fin_ult1": Offered("accounts", "Current account", "活期账户"),
    "ind_cder_fin_ult1": Offered("accounts", "Derivative account", "衍生账户"),
    "ind_cno_fin_ult1": Offered("accounts", "Payroll account", "工资账户"),
    "ind_ctju_fin_ult1": Offered("accounts", "Junior account", "青少年账户"),
    "ind_ctma_fin_ult1": Offered("accounts", "Más particular account", "个人增值账户"),
    "ind_ctop_fin_ult1": Offered("accounts", "Particular account", "个人账户"),
    "ind_ctpp_fin_ult1": Offered("accounts", "Particular plus account", "个人账户 Plus"),
    "ind_deco_fin_ult1": Offered("deposits", "Short-term deposit", "短期存款"),
    "ind_dela_fin_ult1": Offered("deposits", "Long-term deposit", "长期存款"),
    "ind_deme_fin_ult1": Offered("deposits", "Medium-term deposit", "中期存款"),
    "ind_ecue_fin_ult1": Offered("accounts", "E-account", "电子账户"),
    "ind_fond_fin_ult1": Offered("investments", "Funds", "基金"),
    "ind_hip_fin_ult1": Offered("lending", "Mortgage", "住房贷款"),
    "ind_nom_pens_ult1": Offered("payments", "Pension received", "养老金代发"),
    "ind_nomina_ult1": Offered("payments", "Salary received", "工资代发"),
    "ind_plan_fin_ult1": Offered("investments", "Pension plan", "养老金计划"),
    "ind_pres_fin_ult1": Offered("lending", "Loan", "贷款"),
    "ind_reca_fin_ult1": Offered("payments", "Taxes", "税款代缴"),
    "ind_recibo_ult1": Offered("payments", "Direct debit", "自动扣款"),
    "ind_tjcr_fin_ult1": Offered("lending", "Credit card", "信用卡"),
    "ind_valo_fin_ult1": Offered("investments", "Securities", "证券"),
    "ind_viv_fin_ult1": Offered("accounts", "Home account", "住房储蓄账户"),
}
