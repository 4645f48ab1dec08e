"""The recipes of the guide to public logs, each tried on the lines that it shows."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from td3core.config import JobSpec
from td3core.interactions import read_log

GUIDE = Path(__file__).parents[3] / "docs/how-to/logs.md"
RECIPE = re.compile(
    r"^## (?P<title>.+?)$.*?^`(?P<name>[^`]+)`:\n\n```text\n(?P<text>.*?)\n```\n"
    r"(?:\n```sh\n(?P<command>[^\n]+)\n```\n)?\n```json\n(?P<spec>[^\n]+)\n```",
    re.MULTILINE | re.DOTALL,
)
RECIPES = {found["title"]: found for found in RECIPE.finditer(GUIDE.read_text(encoding="utf-8"))}
ROWS: dict[str, list[tuple[object, ...]]] = {
    "MovieLens 100K": [("196", "242", 881250949), ("196", "302", 891717742)],
    "MovieLens 1M": [("1", "1193", 978300760), ("1", "661", 978302109)],
    "MovieLens 20M, 25M and 32M": [("1", "2", 1112486027), ("1", "29", 1112484676)],
    "Amazon reviews 2014, ratings only": [
        ("A39HTATAQ9V7YF", "0205616461", 1369699200),
        ("A39HTATAQ9V7YF", "0558925278", 1355443200),
    ],
    "Amazon reviews 2014 and 2018": [
        ("A1YJ", "7806397051", 1391040000),
        ("A1YJ", "9759091062", 1397433600),
    ],
    "Amazon reviews 2023": [("AGKH", "B00YQ6X8E0", 1588687728923), ("AGKH", "B081TJ8YS0", 1588615855070)],
    "Yoochoose clicks": [("1", "214536502", 1396867869_277000), ("1", "214536500", 1396868049_868000)],
    "Retailrocket": [("257597", "355908", 1433221332117), ("257597", "248676", 1433224214164)],
    "Diginetica": [("1", "81766", 526309), ("1", "31331", 1031018)],
    "Last.fm 1K": [("user_000001", "f1b1", 1241478537_000000), ("user_000001", "a7f7", 1241445250_000000)],
    "HetRec 2011, Last.fm": [("2", "51"), ("2", "52")],
    "Gowalla": [("0", "22847", 1287532527_000000), ("0", "420315", 1287440263_000000)],
    "Yelp": [("mh_-", "XQfw", 1531001351_000000), ("mh_-", "7ATY", 1325604498_000000)],
    "H&M": [("000058a1", "0663713001", 1537401600_000000), ("000058a1", "0541518023", 1537401600_000000)],
    "Taobao": [("1", "2268318", 1511544070), ("1", "2333346", 1511561733)],
    "KuaiRand": [("0", "3784", 1649671327125), ("0", "4094", 1649671327126)],
    "Book-Crossing": [("276725", "034545104X"), ("276725", "ÁE0155061224")],
    "MyAnimeList": [("1", "20"), ("1", "24")],
    "Food.com": [("38094", "40893", 1045440000_000000), ("38094", "44394", 1014595200_000000)],
    "eCommerce events of multi-category stores": [
        ("541312140", "44600062", 1569888000_000000),
        ("541312140", "3900821", 1569888005_000000),
    ],
    "UCI Online Retail": [("17850", "85123A", 1291191960_000000), ("17850", "71053", 1291191960_000000)],
    "RecBole": [("196", "242", 881250949), ("196", "302", 891717742)],
    "SASRec": [("1", "1"), ("1", "2")],
    "LightGCN": [("0", "3"), ("0", "1"), ("0", "2"), ("1", "2"), ("1", "3")],
    "OTTO": [
        ("12899779", "59625", 1661724000278),
        ("12899779", "1142000", 1661724010000),
        ("12899780", "582732", 1661724058352),
    ],
    "Spotify Million Playlist Dataset": [("0", "spotify:track:0UaM", 0), ("0", "spotify:track:6I9V", 1)],
    "Steam reviews": [
        ("Chaos Syren", "725280", 1513468800_000000),
        ("Ariman1", "328100", 1501632000_000000),
    ],
}


def test_every_layout_of_the_guide_is_tried() -> None:
    assert list(RECIPES) == re.findall(r"^## (.+)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(RECIPES) == list(ROWS)


@pytest.mark.parametrize("title", ROWS)
def test_a_log_is_read_as_the_guide_says(tmp_path: Path, title: str) -> None:
    recipe = RECIPES[title]
    data = JobSpec.model_validate(json.loads(recipe["spec"])).data
    log = tmp_path / recipe["name"]
    log.write_text(recipe["text"] + "\n", encoding=data.encoding)
    if recipe["command"]:
        subprocess.run(["/bin/sh", "-c", recipe["command"]], cwd=tmp_path, check=True)
        log = tmp_path / recipe["command"].split()[-1]
    assert read_log(log, data).frame.rows() == ROWS[title]
