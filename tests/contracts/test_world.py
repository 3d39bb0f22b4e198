"""The synthetic world keeps its contract, its promises about chance, and the facts it says it plants."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.contracts.schema import check_arrow
from scenefit.contracts.tables import RAW
from scenefit.contracts.tables.consents import CHANNELS
from scenefit.contracts.world import WORLD_VERSION, Block, World, make_world
from scenefit.contracts.world import demand as demand_module
from scenefit.contracts.world.clock import seasons
from scenefit.contracts.world.columns import hexadecimal, inner, numbered, picked
from scenefit.contracts.world.parameters import DIFFICULTIES, parameters_digest

CUSTOMERS = 20_000
# changes only together with WORLD_VERSION and docs/adr/0001-world.md
DIGEST_OF_VERSION_1 = "da8123a4e41a18b80c8582c1b53f13bab2ad5bb76eb06c542519548d80ddf2a5"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(CUSTOMERS, seed=3)


@pytest.fixture(scope="module")
def static(world: World) -> dict[str, pa.Table]:
    return world.static()


@pytest.fixture(scope="module")
def blocks(world: World) -> list[Block]:
    return [world.block(i) for i in world.blocks]


@pytest.fixture(scope="module")
def frames(blocks: list[Block], static: dict[str, pa.Table]) -> dict[str, pd.DataFrame]:
    merged = {name: pa.concat_tables([b.tables[name] for b in blocks]) for name in blocks[0].tables}
    return {name: table.to_pandas() for name, table in (static | merged).items()}


@pytest.fixture(scope="module")
def truth(blocks: list[Block]) -> dict[str, pd.DataFrame]:
    return {name: pa.concat_tables([b.truth[name] for b in blocks]).to_pandas() for name in blocks[0].truth}


def parquet_bytes(tables: dict[str, pa.Table]) -> dict[str, bytes]:
    written = {}
    for name, table in tables.items():
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        written[name] = buffer.getvalue()
    return written


# --- contract -----------------------------------------------------------------------------------------------------


def test_static_tables_and_blocks_together_are_all_raw_tables(static, blocks):
    assert set(static) | set(blocks[0].tables) == set(RAW)


def test_every_table_keeps_its_contract(world, static, blocks):
    for tables in (static, *(block.tables for block in blocks)):
        for name, table in tables.items():
            assert check_arrow(table, RAW[name], world.until).num_rows == table.num_rows
            assert table.schema.equals(RAW[name].arrow), name


def test_keys_do_not_repeat_across_blocks(frames):
    for name, table in RAW.items():
        assert not frames[name].duplicated(list(table.key)).any(), name


@pytest.mark.parametrize(
    ("table", "column", "target"),
    [
        (table, column, target)
        for column, target in (
            ("customer_id", "customers"),
            ("merchant_id", "merchants"),
            ("product_id", "products"),
            ("campaign_id", "campaigns"),
            ("scene_id", "scenes"),
            ("partner_id", "partners"),
            ("account_id", "accounts"),
        )
        for table in RAW
        if column in RAW[table].names and table != target
    ],
)
def test_every_id_names_something_that_exists(frames, table, column, target):
    used = frames[table][column].dropna()
    assert len(used)
    assert set(used) <= set(frames[target][column])


def test_sources_parents_and_arms_exist(frames):
    partners = set(frames["partners"].partner_id)
    assert set(frames["customers"].acquired_via.dropna()) <= partners
    assert set(frames["events"].source.dropna()) <= partners
    assert set(frames["scenes"].parent_id.dropna()) <= set(frames["scenes"].scene_id)
    tops = set(frames["scenes"].scene_id[frames["scenes"].parent_id.isna()])
    assert {scene for scenes in frames["products"].scenes.dropna() for scene in scenes} == tops
    arms = set(zip(frames["arms"].campaign_id, frames["arms"].arm, strict=True))
    assert set(zip(frames["assignments"].campaign_id, frames["assignments"].arm, strict=True)) <= arms


def test_events_lie_in_the_last_year_and_after_registration(world, frames):
    events = frames["events"].merge(frames["customers"][["customer_id", "registered_at"]], on="customer_id")
    assert events["at"].min() >= world.until - pd.Timedelta(days=365)
    assert (events.ingested_at < world.until).all()
    assert (events["at"] <= events.ingested_at).all()
    assert (events["at"] >= events.registered_at).all()


def test_truth_stays_out_of_the_raw_tables(frames, truth):
    secret = {"segment", "subgroup", "ring_id", "household_id", "pd", "best_product", "take_with", "bad", "dwelling_id"}
    assert all(not secret & set(frame.columns) for frame in frames.values())
    assert secret <= {column for frame in truth.values() for column in frame.columns}


# --- chance -------------------------------------------------------------------------------------------------------


def test_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (make_world(1_500, seed) for seed in (5, 5, 6))
    one = parquet_bytes(first.block(0).tables | first.static())
    assert one == parquet_bytes(again.block(0).tables | again.static())
    changed = parquet_bytes(other.block(0).tables | other.static())
    # what is written by hand is the same in every world
    assert {name for name in one if one[name] == changed[name]} == {"scenes", "partners", "products", "approvals"}


def test_truth_is_reproducible_too():
    one, two = make_world(1_500, 5), make_world(1_500, 5)
    assert parquet_bytes(one.block(0).truth) == parquet_bytes(two.block(0).truth)
    assert parquet_bytes(one.truth_static()) == parquet_bytes(two.truth_static())


def test_a_block_does_not_depend_on_the_others(world, blocks):
    larger = make_world(45_000, seed=3)
    assert parquet_bytes(larger.block(1).tables) == parquet_bytes(blocks[1].tables)


def test_a_world_can_be_sent_to_another_process():
    world = make_world(50, seed=1)
    copy = pickle.loads(pickle.dumps(world))
    assert parquet_bytes(copy.block(0).tables) == parquet_bytes(world.block(0).tables)


@pytest.mark.parametrize("n", [1, 7, 10_001])
def test_small_and_odd_sizes_work(n):
    world = make_world(n)
    sizes = [world.block(i).tables["customers"].num_rows for i in world.blocks]
    assert sum(sizes) == n
    last = world.block(world.blocks[-1])
    for name, table in last.tables.items():
        check_arrow(table, RAW[name], world.until)
    assert last.tables["events"].num_rows >= last.tables["customers"].num_rows


def test_parameters_change_only_with_the_version():
    assert (WORLD_VERSION, parameters_digest()) == (1, DIGEST_OF_VERSION_1)


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, -5, 100_000_000, 2.5])
def test_impossible_numbers_of_customers_are_refused(n):
    with pytest.raises(SettingsError, match=r"n_customers = .*; give a whole number from 1 to 99,999,999"):
        make_world(n)


def test_a_negative_seed_is_refused():
    with pytest.raises(SettingsError, match="seed = -1; give 0 or a positive whole number"):
        make_world(10, seed=-1)


def test_an_unknown_difficulty_is_refused():
    with pytest.raises(SettingsError, match=r"difficulty = 'brutal'; choose one of \['easy', 'normal', 'hard'\]"):
        make_world(10, difficulty="brutal")


@pytest.mark.parametrize("i", [-1, 2])
def test_a_block_that_does_not_exist_is_refused(world, i):
    with pytest.raises(ContractError, match=f"block {i} does not exist; there are blocks 0 to 1"):
        world.block(i)


# --- content ------------------------------------------------------------------------------------------------------


def test_scenes_merchants_and_products_are_as_many_as_promised(frames):
    scenes, products = frames["scenes"], frames["products"]
    assert scenes.parent_id.isna().sum() == 8
    assert scenes.parent_id.value_counts().between(3, 5).all()
    assert 600 <= len(frames["merchants"]) <= 800
    live = products[products.state == "live"]
    assert len(live) >= 28
    assert live.kind.nunique() >= 6
    assert set(products.state) == {"draft", "live", "retired"}
    assert products.margin.isna().all()
    assert ((products.apr >= 0.06) & (products.apr <= 0.24) & (products.funding_cost < products.apr)).all()


def test_kinds_of_people_and_gaps_are_as_declared(frames):
    customers = frames["customers"]
    share = customers.kind.value_counts(normalize=True)
    # leads who took a product have become customers
    assert share["customer"] == pytest.approx(0.885, abs=0.02)
    assert share["visitor"] == pytest.approx(0.03, abs=0.01)
    known = customers[customers.kind == "customer"]
    assert known.occupation.isna().mean() == pytest.approx(DIFFICULTIES["normal"].missing, abs=0.02)
    assert customers.phone.dropna().str.match(r"129\d{8}$").all()


def test_about_twenty_events_a_customer(frames):
    events = frames["events"]
    assert len(events) / CUSTOMERS == pytest.approx(20, abs=3)
    behaviour = events.kind.isin(["visit", "browse", "purchase"])
    assert behaviour.sum() / CUSTOMERS == pytest.approx(16, abs=2.5)
    assert 0.25 <= (events.kind == "draw").sum() / CUSTOMERS <= 0.6


def test_people_act_in_business_time_and_by_season(frames):
    visits = frames["events"].query("kind == 'visit'")
    local = visits["at"].dt.tz_convert("Asia/Shanghai")
    hours = local.dt.hour.value_counts(normalize=True)
    assert hours[[19, 20, 21]].sum() > 5 * hours[[4, 5, 6]].sum()
    shop = visits[visits.scene_id.fillna("").str.startswith("digital")]
    days = shop["at"].dt.tz_convert("Asia/Shanghai").dt.strftime("%m-%d").value_counts()
    assert days["11-11"] > 2 * days.median()


def test_a_year_of_demand_sums_to_one():
    assert seasons().shape == (9, 366)
    assert np.allclose(seasons()[:, -1], 1)
    assert (np.diff(seasons(), axis=1) > 0).all()


def test_the_funnel_only_narrows_and_never_runs_backwards(frames):
    events = frames["events"].dropna(subset=["campaign_id"])
    count = events.kind.value_counts()
    assert count["sent"] > count["delivered"] > count["impression"] > count["click"] > count["apply"] > count["approve"]
    assert count["approve"] > count["draw"]
    assert count["sent"] >= count["delivered"] + count["bounced"]
    key = ["campaign_id", "customer_id"]
    steps = {kind: events[events.kind == kind].groupby(key)["at"].min() for kind in ("sent", "delivered", "apply")}
    both = pd.concat(steps, axis=1).dropna()
    assert len(both)
    assert (both["sent"] < both["delivered"]).all()
    assert (both["delivered"] < both["apply"]).all()


def test_messages_cost_what_their_channel_costs(frames):
    sent = frames["events"].query("kind == 'sent'")
    assert (sent.query("channel == 'sms'").cost.astype(float) == 0.05).all()
    assert sent.propensity.notna().all()
    assert sent.policy_version.notna().all()
    assert len(demand_module.PERSUASION) == len(demand_module.DELIVERED) == len(demand_module.COST) == len(CHANNELS)


def test_nobody_is_written_to_without_consent(frames):
    sent = frames["events"].query("kind == 'sent'")[["customer_id", "channel", "at"]]
    given = frames["consents"].query("purpose == 'marketing'")
    history = sent.merge(given, on=["customer_id", "channel"], suffixes=("", "_change"))
    history = history[history.at_change <= history["at"]].sort_values("at_change")
    last = history.groupby(["customer_id", "channel", "at"]).last()
    assert len(last) == len(sent.drop_duplicates())
    assert last.granted.all()
    moments = last.index.get_level_values("at")
    assert (last.expires.isna() | (last.expires > moments)).all()


def test_realised_arms_match_the_logged_propensities(frames):
    drawn = frames["assignments"]
    assert drawn.groupby("campaign_id").arm.nunique().between(2, 4).all()
    planned = drawn.merge(frames["arms"], on=["campaign_id", "arm"]).dropna(subset=["share"])
    assert (planned.share == planned.propensity).all()
    size = planned.groupby("campaign_id").size()
    group = planned.groupby(["campaign_id", "arm"]).agg(n=("arm", "size"), share=("share", "first")).reset_index()
    expected = group.share * group.campaign_id.map(size)
    z = (group.n - expected) / np.sqrt(expected * (1 - group.share))
    assert np.abs(z).max() < 4


def test_propensities_by_city_tier_govern_the_draw(frames):
    drawn = frames["assignments"].merge(frames["customers"][["customer_id", "city_tier"]], on="customer_id")
    tilted = drawn[drawn.campaign_id.isin(frames["arms"].loc[frames["arms"].share.isna(), "campaign_id"])]
    assert tilted.campaign_id.nunique() == 8
    tilted = tilted.assign(large=tilted.city_tier <= 2)
    group = tilted.groupby(["campaign_id", "large", "arm"]).agg(n=("arm", "size"), p=("propensity", "first"))
    total = tilted.groupby(["campaign_id", "large"]).size()
    expected = group.p * total.reindex(group.index.droplevel("arm")).to_numpy()
    assert np.abs((group.n - expected) / np.sqrt(expected * (1 - group.p))).max() < 4
    assert group.p.groupby(["campaign_id", "large"]).sum().to_numpy() == pytest.approx(1)


def test_control_hears_nothing(frames):
    events = frames["events"]
    assert not (events.arm == "control").any()


def test_offers_work_and_the_truth_says_how_much(frames, truth):
    """The randomised difference agrees with the planted effects."""
    drawn = frames["assignments"].merge(frames["arms"][["campaign_id", "arm", "share"]], on=["campaign_id", "arm"])
    drawn = drawn.dropna(subset=["share"])
    takes = frames["events"].query("kind == 'draw'")[["customer_id", "at"]]
    later = drawn.merge(takes, on="customer_id", suffixes=("", "_taken"))
    soon = later[(later.at_taken >= later["at"]) & (later.at_taken < later["at"] + pd.Timedelta(days=45))]
    key = ["campaign_id", "customer_id"]
    taken = pd.MultiIndex.from_frame(drawn[key]).isin(pd.MultiIndex.from_frame(soon[key]))
    treated = (drawn.arm != "control").to_numpy()
    # weights make every campaign's arms comparable
    weight = 1 / drawn.propensity.to_numpy()
    rate = {group: np.average(taken[treated == group], weights=weight[treated == group]) for group in (True, False)}
    effects = truth["treatments"].merge(drawn[key].drop_duplicates(), on=key)
    planted = (effects.take_with - effects.take_without).mean()
    assert rate[True] - rate[False] > 0.03
    assert rate[True] - rate[False] == pytest.approx(planted, abs=0.015)


def test_effects_differ_between_people_and_are_never_negative(truth):
    effect = truth["treatments"].take_with - truth["treatments"].take_without
    assert (effect >= 0).all()
    assert effect.std() > effect.mean() * 0.8


def test_reference_effects_agree_with_the_effects_in_the_blocks(world, truth):
    planned = world.truth_static()["arm_effects"].to_pandas().set_index(["campaign_id", "arm"])
    found = truth["treatments"].assign(effect=lambda t: t.take_with - t.take_without)
    found = found.groupby(["campaign_id", "arm"]).effect.agg(["mean", "sem"])
    z = (planned.effect - found["mean"]) / np.sqrt(planned.effect_se**2 + found["sem"] ** 2)
    assert np.abs(z).max() < 4.5


def test_planted_subgroups_need_more_and_are_hardly_contacted(world, frames, truth):
    people = truth["customers"].set_index("customer_id")
    contacts = frames["assignments"].customer_id.value_counts().reindex(people.index, fill_value=0)
    scene = world.truth_static()["subgroups"].to_pandas().set_index("subgroup").scene_id
    base = people.subgroup.isna()
    for subgroup, top in scene.items():
        members = people.subgroup == subgroup
        assert members.mean() > 0.01
        assert people.loc[members, f"mix_{top}"].mean() > 1.3 * people.loc[base, f"mix_{top}"].mean()
        assert contacts[members].mean() < 0.3 * contacts[base].mean()


def test_need_shows_in_what_people_do(frames, truth):
    """Government employees look at medical pages more often than others: visible without the truth."""
    events = frames["events"].query("kind in ('visit', 'browse', 'purchase')")
    medical = events.scene_id.str.startswith("medical")
    share = medical.groupby(events.customer_id).mean()
    members = frames["customers"].set_index("customer_id").occupation == "government"
    share = share.reindex(members.index)
    assert share[members].mean() > 1.5 * share[~members].mean()
    assert truth["customers"].subgroup.nunique() == 4


def test_bad_rate_lies_in_the_declared_band_and_follows_income(frames, truth):
    accounts = truth["accounts"]
    assert 0.05 <= accounts.bad.mean() <= 0.085
    assert accounts.pd.mean() == pytest.approx(accounts.bad.mean(), abs=0.01)
    joined = accounts.merge(frames["accounts"], on="account_id").merge(frames["customers"], on="customer_id")
    rate = joined.groupby("income_band").bad.mean()
    assert rate["03-05k"] > 1.5 * rate["12-20k"]


def test_accounts_agree_with_their_repayments(frames, truth):
    repayments = frames["repayments"]
    assert (repayments.paid <= repayments.due).all()
    assert repayments.paid_at.notna().equals(repayments.paid == repayments.due)
    lost = frames["accounts"].query("status == 'charged off'").account_id
    bad = set(truth["accounts"].query("bad").account_id)
    assert set(lost) <= bad
    closed = frames["accounts"].query("status == 'closed'").account_id
    open_dues = repayments[repayments.paid_at.isna()].account_id
    assert not set(closed) & set(open_dues)
    assert (frames["accounts"].query("status == 'closed'").balance == 0).all()


def test_every_draw_has_its_account(frames):
    draws = frames["events"].query("kind == 'draw'")
    pairs = set(zip(draws.customer_id, draws.product_id, draws["at"], strict=True))
    accounts = frames["accounts"]
    assert pairs <= set(zip(accounts.customer_id, accounts.product_id, accounts.opened_at, strict=True))


def test_rings_share_devices_and_delivery_while_strangers_do_not(frames, truth):
    people = truth["customers"].set_index("customer_id")
    devices = frames["identities"].query("kind == 'device'")
    # families share a device too: only devices used in several homes are suspicious
    homes_of = people.household_id.reindex(devices.customer_id).to_numpy()
    used_in = pd.Series(homes_of).groupby(devices.value_hash.to_numpy()).nunique()
    shared = devices[devices.value_hash.map(used_in) >= 2].customer_id
    assert len(shared) >= 5
    assert people.loc[shared].ring_id.notna().all()
    homes = truth["addresses"].query("use == 'delivery'").set_index("customer_id").dwelling_id
    rings = people.ring_id.dropna()
    assert rings.nunique() >= 2
    assert homes.reindex(rings.index).groupby(rings.to_numpy()).nunique().eq(1).all()
    assert (people.shared_place == "locker").any()
    assert (people.shared_place == "dormitory").any()


def test_one_dwelling_is_written_in_many_ways(frames, truth):
    written = frames["addresses"].merge(truth["addresses"], on=["customer_id", "use"])
    ways = written.groupby("dwelling_id").text.nunique()
    several = written.groupby("dwelling_id").size() >= 3
    assert ways[several].mean() > 1.8


def test_bursts_stand_out_in_the_posts(world, frames):
    posts = frames["opinions"]
    for burst in world.truth_static()["bursts"].to_pylist():
        about = posts[posts.subject == burst["subject"]]
        inside = about["at"].between(burst["starts_at"], burst["ends_at"], inclusive="left")
        assert inside.sum() >= burst["posts"]
        assert inside.mean() > 0.5
    chinese = posts.text.str.contains(r"[\u4e00-\u9fff]")
    assert 0.5 < chinese.mean() < 0.95


def test_taste_shows_in_the_products_people_take(frames, truth):
    """People take the product they like best far more often than the most popular one would explain."""
    best = truth["customers"].set_index("customer_id").best_product
    draws = frames["events"].query("kind == 'draw'")
    hit = (draws.customer_id.map(best) == draws.product_id).mean()
    assert hit > 1.5 * draws.product_id.value_counts(normalize=True).iloc[0] * best.value_counts(normalize=True).iloc[0]
    assert hit > 0.12


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_difficulty_moves_what_it_should(difficulty, world):
    other = make_world(4_000, seed=3, difficulty=difficulty)
    sign = 1 if difficulty == "easy" else -1
    subgroups = [w.truth_static()["subgroups"].to_pandas().need_factor.iloc[0] for w in (other, world)]
    assert sign * (subgroups[0] - subgroups[1]) > 0
    mine = other.block(0).tables["customers"].to_pandas().query("kind == 'customer'")
    assert mine.occupation.isna().mean() == pytest.approx(DIFFICULTIES[difficulty].missing, abs=0.02)


def test_a_thousand_of_each_block_carry_all_take_probabilities(blocks, frames):
    takes = blocks[0].truth["takes"].to_pandas().set_index("customer_id")
    assert len(takes) == 1_000
    state = frames["products"].set_index("product_id").state
    assert (takes.loc[:, state[takes.columns] != "live"] == 0).all(axis=None)
    best = blocks[0].truth["customers"].to_pandas().set_index("customer_id").best_product
    assert (takes.idxmax(axis=1) == best.reindex(takes.index).fillna(takes.columns[0])).all()


def test_the_documentation_names_every_table_and_column_of_the_truth(blocks, world):
    text = (Path(__file__).parents[2] / "docs" / "world.md").read_text("utf8")
    for area in (blocks[0].truth, world.truth_static()):
        for name, table in area.items():
            assert f"`{name}`" in text, name
            plain = [c for c in table.column_names if not c.startswith(("taste_", "mix_", "style_", "P"))]
            assert [c for c in plain if f"`{c}`" not in text] == [], name


# --- the small kernels --------------------------------------------------------------------------------------------


def test_ids_have_fixed_width():
    assert numbered("c", np.array([0, 42, 99999]), 5).to_pylist() == ["c00000", "c00042", "c99999"]
    assert hexadecimal(np.array([0, 255, 2**64 - 1], dtype=np.uint64)).to_pylist() == [
        "0" * 16,
        f"{255:016x}",
        "f" * 16,
    ]


def test_categories_are_drawn_from_their_own_row():
    table = np.array([[1.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
    rows = np.array([0, 0, 1, 1, 1])
    assert picked(table, rows, np.array([0.0, 0.99, 0.1, 0.3, 0.9])).tolist() == [0, 0, 0, 1, 2]


def test_inner_products_are_those_of_the_matrix_product():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    assert np.allclose(inner(left, right), left @ right.T)
