"""Officers at the voter's screen: who they are, what takes two, and a screen that is replaced
(NVT-04, NVT-12, SEED-14)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from console.dre.words import WORDS
from firmware_sim import device_keys, trust
from firmware_sim.journal import Journal
from firmware_sim.medium import create_recovery_key
from firmware_sim.package import read_package
from firmware_sim.people import PeopleRegister
from firmware_sim.roles import Role
from hardware.simulated.paper_trail import SimulatedPaperTrail
from tests.console import screen_driver as driver
from tests.console.screen_http import Browser, heading, notice
from tests.firmware_sim import bench

PINS = {"chair-1": "chair-4711", "secretary-1": "480215", "technician-1": "technik-9"}
KK = {key: texts["kk"] for key, texts in WORDS.items()}


def registered(folder: Path) -> list[str]:
    """Keys with a register of people; the options of a start with one official."""
    keys = folder / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=3650)
    register = PeopleRegister(keys)
    for person, pin in PINS.items():
        register.add(person, Role(person.split("-")[0]), pin)
    device_keys.issue(
        keys, bench.DEVICE, precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=3000
    )
    definition = bench.election().model_dump_json(exclude_none=True)
    (folder / "election.json").write_text(definition, encoding="utf-8")
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{who} {pin}\n" for who, pin in PINS.items()), encoding="utf-8")
    return ["--officer", "secretary-1", "--pin-file", str(pins)]


def acting(*people: str) -> dict[str, str]:
    form = {}
    for place, person in enumerate(people, 1):
        form |= {f"person{place}": person, f"pin{place}": PINS[person]}
    return form


def test_people_prove_who_they_are_for_each_act_and_the_log_has_roles_only(
    tmp_path: Path,
) -> None:
    options = registered(tmp_path)
    with driver.served(tmp_path, *options) as screen:
        assert screen.officer_code is None
        browser = Browser(screen.url)
        assert heading(browser.page()) == KK["closed"]

        def officers(go: str, *people: str, **form: str) -> str:
            return notice(browser.do(go, officers=True, **acting(*people), **form))

        assert officers("open", "secretary-1") == KK["needs"].format(
            who=f"{KK['role_chair']} + ({KK['role_secretary']} немесе {KK['role_member']})"
        )
        assert officers("open", "chair-1", "technician-1").startswith(KK["needs"][:10])
        assert officers("open", "chair-1", "secretary-1") == KK["done_so"]
        assert heading(browser.page()) == KK["welcome"]
        # No PIN, a wrong one, somebody unknown: nothing is done.
        assert officers("pause") == KK["id_and_pin"]
        wrong = {"person1": "chair-1", "pin1": "wrong-one"}
        told = notice(browser.do("pause", officers=True, **wrong))
        assert told == KK["wrong_pin_many"].format(n=4)
        stranger = {"person1": "chair-9", "pin1": "wrong-one"}
        assert notice(browser.do("pause", officers=True, **stranger)) == KK["not_known"]
        assert officers("issue", "technician-1", style="both").startswith(KK["needs"][:10])
        code = re.search(r"\d{3} \d{3}", officers("issue", "secretary-1", style="both"))
        assert code is not None
        browser.do("activate", code=code[0])
        # A voter has the screen: no PIN can be tried, nothing done.
        assert KK["busy"] in browser.page("/officer")
        assert officers("pause", "secretary-1") == KK["busy"]
        browser.do("leave")
        assert officers("pause", "secretary-1") == KK["done_so"]
        assert officers("open", "secretary-1") == KK["done_so"]
        assert officers("close", "chair-1") == KK["needs"].format(
            who=f"{KK['role_chair']} + ({KK['role_secretary']} немесе {KK['role_member']})"
        )
        assert officers("close", "chair-1", "secretary-1") == KK["done_so"]
        assert officers("reopen", "chair-1", "technician-1") == KK["done_so"]
        assert officers("close", "chair-1", "secretary-1") == KK["done_so"]
        for left in (4, 3, 2, 1):
            told = notice(browser.do("reopen", officers=True, **wrong))
            assert re.findall(r"\d", told) == [str(left)]
        assert notice(browser.do("reopen", officers=True, **wrong)) == KK["locked"]
        assert officers("reopen", "chair-1", "technician-1") == KK["locked"]
    with Journal(tmp_path / "j.sqlite") as journal:
        by = {event.kind: event.detail.get("by") for event in journal.events()}
        text = json.dumps([event.detail for event in journal.events()])
        refused = [e.detail["left"] for e in journal.events() if e.kind == "pin_refused"]
    assert by["ballot_code_made"] == "secretary"
    assert refused == [4, 4, 3, 2, 1, 0, 0]
    assert by["polls_opened"] == by["polls_closed"] == "chair+secretary"
    assert by["polls_reopened"] == "chair+technician"
    assert not [person for person in PINS if person in text]


def test_a_register_swapped_under_a_running_screen_is_refused(tmp_path: Path) -> None:
    """It is read anew for each act: with another authority's, or an older list, nothing is done."""
    options = registered(tmp_path)
    keys, forged = tmp_path / "keys", tmp_path / "forged"
    own = {name: (keys / name).read_bytes() for name in ("authority.pem", "people.json")}
    PeopleRegister(keys).remove("technician-1")
    newest = (keys / "people.json").read_bytes()
    trust.create_authority(forged, name="Root", now=bench.NOW, valid_days=3650)
    for person, pin in PINS.items():
        PeopleRegister(forged).add(person, Role.CHAIR, pin)
    with driver.served(tmp_path, *options) as screen:
        browser = Browser(screen.url)

        def opened() -> bool:
            people = acting("chair-1", "secretary-1")
            browser.do("open", officers=True, **people)
            return heading(browser.page()) == KK["welcome"]

        for name in own:
            (keys / name).write_bytes((forged / name).read_bytes())
        assert not opened()
        for name, data in own.items():
            (keys / name).write_bytes(data)
        assert not opened()  # the older list, with the technician who was removed
        (keys / "people.json").unlink()
        assert not opened()
        (keys / "people.json").write_bytes(newest)
        assert opened()


def test_officers_export_and_seal_on_their_page(tmp_path: Path) -> None:
    """The day ends where it was worked; `--close` is for a screen that nobody can use."""
    options = registered(tmp_path)
    place = tmp_path / "out" / "p.zip"
    with driver.served(tmp_path, *options, "--export", str(place)) as screen:
        browser = Browser(screen.url)

        def officers(go: str, *people: str) -> str:
            return notice(browser.do(go, officers=True, **acting(*people)))

        officers("open", "chair-1", "secretary-1")
        assert "export" not in browser.page("/officer")
        officers("export", "secretary-1")
        assert not place.exists()
        assert officers("close", "chair-1", "secretary-1") == KK["done_so"]
        page = browser.page("/officer")
        assert KK["export"] in page
        # The reopening ends with the export: it is asked for by those who may, nobody else.
        assert officers("export", "technician-1").startswith(KK["needs"][:10])
        assert not place.exists()
        # A folder that is gone is told; the results are kept, and their number.
        place.parent.rmdir()
        place.parent.write_text("in the way")
        assert str(place) in officers("export", "secretary-1")
        place.parent.unlink()
        place.parent.mkdir()
        assert officers("export", "secretary-1") == KK["exported_to"].format(path=place)
        manifest = read_package(place.read_bytes(), "p.zip").manifest
        assert (manifest["device_id"], manifest["export_number"]) == (bench.DEVICE, 1)
        assert officers("seal", "secretary-1").startswith(KK["needs"][:10])
        assert officers("seal", "chair-1") == KK["done_so"]
        assert officers("export", "secretary-1") != KK["exported_to"].format(path=place)
    with Journal(tmp_path / "j.sqlite") as journal:
        by = {event.kind: event.detail.get("by") for event in journal.events()}
        assert journal.state()["state"] == "sealed"
    assert (by["exported"], by["sealed"]) == ("secretary", "chair")


def test_without_a_place_the_page_says_how_to_export(tmp_path: Path) -> None:
    with driver.served(tmp_path, *registered(tmp_path)) as screen:
        browser = Browser(screen.url)
        for go in ("open", "close"):
            browser.do(go, officers=True, **acting("chair-1", "secretary-1"))
        assert "--export" in browser.page("/officer")
        told = notice(browser.do("export", officers=True, **acting("secretary-1")))
        assert "--export" in told


def test_a_medium_and_a_second_journal_follow_and_another_screen_takes_over(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    setup = bench.setup(first / "keys")
    create_recovery_key(first / "keys", now=bench.NOW)
    trust.issue_device(
        first / "keys", "dre-002", precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=3000
    )
    (second / "keys").symlink_to(first / "keys")
    definition = setup.election.model_dump_json(exclude_none=True)
    (second / "election.json").write_text(definition, encoding="utf-8")

    def vote(browser: Browser, code: str) -> None:
        told = notice(browser.do("issue", officers=True, pin=code, style="both"))
        found = re.search(r"\d{3} \d{3}", told)
        assert found is not None
        browser.do("activate", code=found[0])
        browser.do("next", contest="mayor", option="option-b")
        browser.do("summary")
        browser.do("print")
        assert heading(browser.do("accept")) == KK["done"]
        browser.do("finish")

    for folder in (first, second):
        (folder / "medium").mkdir()
    more = ["--second-journal", str(first / "b.sqlite"), "--medium", str(first / "medium")]
    with driver.served(first, *more) as screen:
        assert screen.officer_code is not None
        vote(Browser(screen.url), screen.officer_code)
    # The second journal alone recovers all.
    with Journal(first / "b.sqlite") as journal:
        assert journal.count() == 1
    stands_in = ["--device", "dre-002", "--medium", str(second / "medium")]
    stands_in += ["--replaces", str(first / "medium"), "--replaces-box", "1"]
    with driver.served(second, *stands_in) as screen:
        assert screen.officer_code is not None
        vote(Browser(screen.url), screen.officer_code)
    assert len(SimulatedPaperTrail(second / "trail").box()) == 1
    target = second / "p.zip"
    done = subprocess.run(
        driver.command(second, *stands_in, "--close", "--export", str(target)),
        capture_output=True,
        text=True,
        cwd=driver.ROOT,
    )
    assert done.returncode == 0, done.stderr
    [row] = read_package(target.read_bytes(), "p.zip").document("join.json")["replaces"]
    assert row["device_id"] == bench.DEVICE
