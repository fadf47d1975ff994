"""What counts for a precinct: by the set of what came, never by its order or repetition."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tally.chain.making import Holdings, make_table
from tally.chain.schemas import DIRECTORY, schemas
from tally.chain.settle import Standing
from tally.chain.table import differences
from tally.chain.work import check_one
from tally.national.store import PrecinctStatus
from tests.tally.chain.land import Land


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Land:
    return Land(tmp_path_factory.mktemp("land"))


def standing(land: Land, precinct: str, *files: bytes) -> Standing:
    """The same in every order, and with everything given twice."""
    found = land.holdings(*files).standing(precinct, land.tree)
    for order in list(permutations(files))[:6]:
        assert land.holdings(*order, *files).standing(precinct, land.tree) == found
    return found


def test_one_protocol_counts(land: Land) -> None:
    p = land.p[0]
    found = standing(land, p, land.protocol(p), land.protocol(p, members=7))
    assert found.status is PrecinctStatus.COUNTED
    assert found.counted is not None
    assert found.counted.digest == land.form(p).digest
    assert len(found.protocols) == 1  # two copies of one protocol


def test_nothing_is_missing_and_never_zero(land: Land) -> None:
    assert standing(land, land.p[0]).status is PrecinctStatus.MISSING
    refused = standing(land, land.p[0], land.protocol(land.p[0], members=2))
    assert refused.status is PrecinctStatus.REFUSED
    assert "no_quorum" in (refused.reason or "")
    table = land.holdings(land.protocol(land.p[1]))
    made = make_table(table, "CEC", land.rules, number=1, made="2026-03-20T05:00:00Z")
    assert made.statuses == {
        "counted": 1,
        "missing": 11,
        "refused": 0,
        "contradictory": 0,
        "excluded": 0,
    }


def test_two_protocols_contradict_until_a_decision(land: Land) -> None:
    """SEED-16: both stay visible before and after."""
    p = land.p[0]
    one, other = land.form(p), land.moved(p)
    files = [land.protocol(p, one), land.protocol(p, other)]
    before = standing(land, p, *files)
    assert before.status is PrecinctStatus.CONTRADICTORY
    assert before.counted is None
    decision = land.decision("T-1", p, adopts=other.digest, sets_aside=[one.digest])
    after = standing(land, p, *files, decision)
    assert after.status is PrecinctStatus.COUNTED
    assert after.counted is not None
    assert after.counted.digest == other.digest
    assert set(after.protocols) == {one.digest, other.digest}
    assert len(after.decisions) == 1
    assert "Recounted by hand" in (after.reason or "")


def test_a_later_version_counts_by_decision_only(land: Land) -> None:
    p = land.p[0]
    first = land.form(p)
    second = land.form(p, version=2, replaces=first.digest, drawn_up="2026-03-20T01:00:00Z")
    files = [land.protocol(p, first), land.protocol(p, second)]
    alone = standing(land, p, *files)
    assert alone.counted is not None
    assert alone.counted.digest == first.digest
    assert "version 2" in (alone.reason or "")
    assert standing(land, p, files[1]).status is PrecinctStatus.REFUSED
    decision = land.decision("T-1", p, adopts=second.digest, sets_aside=[first.digest])
    adopted = standing(land, p, *files, decision)
    assert adopted.counted is not None
    assert adopted.counted.digest == second.digest
    waiting = standing(land, p, files[0], decision)
    assert waiting.status is PrecinctStatus.MISSING
    assert "has not come" in (waiting.reason or "")


def test_a_recount_by_a_higher_commission_is_in_its_decision(land: Land) -> None:
    """NVT-15: the figures are signed by who found them, and name what they replace."""
    p = land.p[0]
    first = land.form(p)
    recount = land.moved(p).model_copy(update={"version": 2, "replaces": first.digest})
    decision = land.decision(
        "R-1",
        p,
        adopts=recount.digest,
        sets_aside=[first.digest],
        corrected=recount.model_dump(mode="json"),
    )
    found = standing(land, p, land.protocol(p), decision)
    assert found.counted is not None
    assert found.counted.votes["list"] == recount.contests["list"].votes
    assert found.counted.signers[0].endswith("R-1")


def test_an_excluded_precinct_is_out_of_the_sums(land: Land) -> None:
    p = land.p[0]
    decision = land.decision("T-1", p, sets_aside=[land.form(p).digest])
    found = standing(land, p, land.protocol(p), decision)
    assert found.status is PrecinctStatus.EXCLUDED
    late = standing(land, p, land.protocol(p), land.protocol(p, land.moved(p)), decision)
    assert late.status is PrecinctStatus.EXCLUDED


def test_what_a_decision_does_not_name_makes_doubt_again(land: Land) -> None:
    p = land.p[0]
    one, other = land.form(p), land.moved(p)
    decision = land.decision("T-1", p, adopts=one.digest)
    found = standing(land, p, land.protocol(p, one), land.protocol(p, other), decision)
    assert found.status is PrecinctStatus.CONTRADICTORY
    assert "says nothing" in (found.reason or "")


def test_higher_commissions_overrule_and_lower_ones_do_not(land: Land) -> None:
    p = land.p[0]
    one, other = land.form(p), land.moved(p)
    files = [land.protocol(p, one), land.protocol(p, other)]
    low = land.decided("T-1", p, adopts=one.digest, sets_aside=[other.digest])
    high = land.decided("R-1", p, adopts=other.digest, sets_aside=sorted([one.digest, low.digest]))
    acts = [land.act(low, "T-1"), land.act(high, "R-1")]
    found = standing(land, p, *files, *acts)
    assert found.counted is not None
    assert found.counted.digest == other.digest
    assert set(found.decisions) == {low.digest, high.digest}

    back = land.decided(
        "T-1", p, number=2, adopts=one.digest, sets_aside=sorted([other.digest, high.digest])
    )
    again = standing(land, p, *files, *acts, land.act(back, "T-1"))
    assert again.counted is not None
    assert again.counted.digest == other.digest
    assert again.void == (back.digest,)
    assert "is void" in (again.reason or "")


def test_two_decisions_that_do_not_know_each_other_contradict(land: Land) -> None:
    p = land.p[0]
    one, other = land.form(p), land.moved(p)
    files = [land.protocol(p, one), land.protocol(p, other)]
    left = land.decided("T-1", p, adopts=one.digest, sets_aside=[other.digest])
    right = land.decided("CEC", p, adopts=other.digest, sets_aside=[one.digest])
    acts = [land.act(left, "T-1"), land.act(right, "CEC")]
    found = standing(land, p, *files, *acts)
    assert found.status is PrecinctStatus.CONTRADICTORY
    assert "decision 1 of CEC and decision 1 of T-1" in (found.reason or "")
    settled = land.decided(
        "CEC",
        p,
        number=2,
        adopts=other.digest,
        sets_aside=sorted([one.digest, left.digest, right.digest]),
    )
    found = standing(land, p, *files, *acts, land.act(settled, "CEC"))
    assert found.status is PrecinctStatus.COUNTED


# --- tables ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool(land: Land) -> list[bytes]:
    """Protocols of all precincts, and everything that can go wrong with some of them."""
    p = land.p
    files = list(land.protocols().values())
    files.append(land.protocol(p[1], land.moved(p[1])))
    files.append(land.protocol(p[2], land.moved(p[2])))
    files.append(
        land.decision(
            "T-1", p[2], adopts=land.form(p[2]).digest, sets_aside=[land.moved(p[2]).digest]
        )
    )
    files.append(land.decision("CEC", p[5], sets_aside=[land.form(p[5]).digest]))
    files.append(land.protocol(p[7], members=2))
    files.append(b"no zip at all")
    return files


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_order_repetition_and_parts_leave_no_trace(
    land: Land, pool: list[bytes], data: st.DataObject
) -> None:
    """The same bytes whatever the order of arrival; the sums of the children are the whole."""
    chosen = data.draw(st.lists(st.sampled_from(range(len(pool))), unique=True))
    arrival = data.draw(
        st.permutations(chosen + data.draw(st.lists(st.sampled_from(chosen or [0]))))
    )
    checked = {i: check_one(pool[i], str(i), land.rules) for i in set(arrival) | set(chosen)}

    def table(order: list[int], commission: str) -> bytes:
        held = Holdings.of((checked[i].sha256, checked[i].verdict) for i in order)
        made = make_table(held, commission, land.rules, number=1, made="2026-03-20T05:00:00Z")
        total = {c: s.votes for c, s in made.contests.items()}
        summed: dict[str, dict[str, int]] = {}
        for child in made.children:
            for contest, sums in child.contests.items():
                into = summed.setdefault(contest, dict.fromkeys(sums.votes, 0))
                for option, number in sums.votes.items():
                    into[option] += number
        assert summed == total
        for status, number in made.statuses.items():
            assert sum(child.precincts[status] for child in made.children) == number
        return made.canonical_json()

    present = sorted(set(arrival))
    for commission in ("CEC", "R-1", "T-1"):
        assert table(list(arrival), commission) == table(present, commission)


def test_sums_over_tiers_are_the_total(land: Land, pool: list[bytes]) -> None:
    held = land.holdings(*pool)

    def votes(commission: str) -> dict[str, int]:
        made = make_table(held, commission, land.rules, number=1, made="2026-03-20T05:00:00Z")
        return made.contests["list"].votes

    for tier in ("regional", "territorial"):
        parts = [votes(c.id) for c in land.tree.of_tier(tier)]  # type: ignore[arg-type]
        whole = votes("CEC")
        assert {o: sum(part[o] for part in parts) for o in whole} == whole


def test_differences_name_the_field(land: Land) -> None:
    held = land.holdings(*land.protocols().values())
    made = make_table(held, "T-1", land.rules, number=1, made="2026-03-20T05:00:00Z")
    contests = {k: v.model_dump() for k, v in made.contests.items()}
    contests["list"]["votes"]["amanat"] += 7
    lie = made.model_validate({**made.model_dump(), "contests": contests})
    [(field, signed, anew)] = differences(lie, made)
    assert field == "contests.list.votes.amanat"
    assert int(signed) - int(anew) == 7


def test_the_schemas_are_those_of_the_models_and_take_the_files(land: Land) -> None:
    for name, schema in schemas().items():
        assert json.loads((DIRECTORY / name).read_text(encoding="utf-8")) == schema
    held = land.holdings(*land.protocols().values())
    made = make_table(held, "CEC", land.rules, number=1, made="2026-03-20T05:00:00Z")
    decision = land.decided("T-1", land.p[0], adopts=land.form(land.p[0]).digest)
    for name, document in (("tier-table", made), ("decision", decision)):
        schema = json.loads((DIRECTORY / f"{name}.schema.json").read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(json.loads(document.canonical_json()))
