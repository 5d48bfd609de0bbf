"""Which Chromium the tests of the page use."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser

from errors import BadInput
from sandbox import chromium


def program(directory: Path, name: str) -> Path:
    path = directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_one_that_is_named_comes_before_the_path_and_the_path_before_playwrights(tmp_path: Path) -> None:
    own = program(tmp_path, "playwrights-own")
    (tmp_path / "bin").mkdir()
    environment = {"PATH": str(tmp_path / "bin")}
    assert chromium.find(own, environment) == own
    chrome = program(tmp_path / "bin", "google-chrome")
    assert chromium.find(own, environment) == chrome
    debians = program(tmp_path / "bin", "chromium")
    assert chromium.find(own, environment) == debians
    named = program(tmp_path, "mine")
    assert chromium.find(own, {**environment, "CHROMIUM": str(named)}) == named


def test_where_there_is_none_nothing_is_found(tmp_path: Path) -> None:
    assert chromium.find(tmp_path / "absent", {"PATH": str(tmp_path)}) is None
    assert chromium.find(tmp_path / "absent", {}) is None


def test_a_name_that_is_no_program_is_said(tmp_path: Path) -> None:
    own = program(tmp_path, "playwrights-own")
    with pytest.raises(BadInput, match="CHROMIUM: /nowhere/chromium is no program"):
        chromium.find(own, {"PATH": os.environ["PATH"], "CHROMIUM": "/nowhere/chromium"})


async def test_it_runs_modules_and_says_its_version(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content("<script type='module'>document.title = 'a module ran'</script>")
    assert await page.title() == "a module ran"
    assert int(browser.version.partition(".")[0]) >= 120, "the page uses what newer ones have"
    await page.close()
