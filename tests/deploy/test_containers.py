"""The containers agree with the code: settings, commands, files and the order in which they start."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from api.settings import Settings
from tests.support.compose import ROOT, load

OURS = ("migrate", "api", "worker", "keeper")
SETTINGS = {f"TD3_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return load("docker-compose.yml")["services"]


def our_environment(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    for name in OURS:
        yield name, services[name].get("environment", {})


def test_every_variable_is_a_setting_with_a_value_it_accepts(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, environment in our_environment(services):
        ours = {key: value for key, value in environment.items() if key.startswith("TD3_")}
        assert set(ours) <= SETTINGS, name
        with monkeypatch.context() as patch:
            for key, value in ours.items():
                patch.setenv(key, value)
            settings = Settings()
        assert settings.broker_url == "redis://valkey:6379/0"
        assert settings.database_url.endswith("@postgres:5432/td3")


def test_any_password_of_the_database_reaches_every_service_as_it_is() -> None:
    password = "p@ss:w%rd/?#"
    services = load("docker-compose.yml", POSTGRES_PASSWORD=password)["services"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == password
    for _, environment in our_environment(services):
        url = make_url(environment["TD3_DATABASE_URL"])
        assert (url.username, url.password, url.host) == ("td3", None, "postgres")
        assert environment["PGPASSWORD"] == password


def test_the_cpu_variant_changes_services_that_exist_and_knows_its_settings(
    services: dict[str, dict[str, Any]],
) -> None:
    variant = load("docker-compose.cpu.yml")["services"]
    assert set(variant) == set(OURS) <= set(services)
    used = {key for service in variant.values() for key in service.get("environment", {})}
    assert used <= SETTINGS


def test_every_command_is_a_module_that_can_be_run(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        python, flag, module = services[name]["command"]
        assert (python, flag) == ("python", "-m")
        spec = find_spec(module)
        assert spec is not None, f"{name} runs {module}, which does not exist"
        if spec.submodule_search_locations:
            assert find_spec(f"{module}.__main__") is not None, (
                f"{name} runs {module}, a package without main"
            )


def test_what_a_service_waits_for_exists_and_can_become_true(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            assert other in services, name
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}"
            if wait["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "on-failure", f"{other} must end once it has succeeded"
    for name in ("api", "worker", "keeper"):
        assert {"migrate", "valkey", "bucket"} <= set(services[name]["depends_on"])


def test_volumes_are_declared_and_data_dirs_are_on_one(services: dict[str, dict[str, Any]]) -> None:
    declared = load("docker-compose.yml")["volumes"]
    for service in services.values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert source in declared or (source.startswith("./") and (ROOT / source).is_dir()), source
    for name in ("api", "worker", "keeper"):
        folder = services[name]["environment"]["TD3_DATA_DIR"]
        assert any(volume.endswith(f":{folder}") for volume in services[name]["volumes"])


def test_the_broker_keeps_every_message(services: dict[str, dict[str, Any]]) -> None:
    command = " ".join(services["valkey"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_the_bucket_that_is_made_is_the_one_that_is_used(services: dict[str, dict[str, Any]]) -> None:
    environment = services["api"]["environment"]
    bucket = services["bucket"]["environment"]
    name = environment["TD3_STORAGE_URL"].removeprefix("s3://")
    assert bucket["BUCKET_URL"] == f"{environment['AWS_ENDPOINT_URL']}/{name}"
    keys = f"{environment['AWS_ACCESS_KEY_ID']}:{environment['AWS_SECRET_ACCESS_KEY']}"
    assert bucket["S3_KEYS"] == keys
    (identity,) = yaml.safe_load(load("docker-compose.yml")["configs"]["s3"]["content"])["identities"]
    (credential,) = identity["credentials"]
    assert f"{credential['accessKey']}:{credential['secretKey']}" == keys


def test_the_worker_reserves_a_gpu_and_only_loopback_is_published(
    services: dict[str, dict[str, Any]],
) -> None:
    (device,) = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert device["device_ids"] == ["0"], (
        "a count would not say which, and a second service could get the same"
    )
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000", "127.0.0.1:3000:3000"]
    assert services["api"]["environment"]["TD3_PORT"] == "8000"


def test_the_image_copies_what_exists_and_every_package(services: dict[str, dict[str, Any]]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text()
    for source in copied:
        assert (ROOT / source).exists(), f"COPY {source}"
        assert f"!{source}\n" in ignored, f"{source} is kept out by .dockerignore"
    for package in ("api", "worker", "td3core", "td3client", "embedded", "migrations"):
        assert package in copied
    assert set(re.findall(r"\bTD3_\w+", dockerfile)) <= SETTINGS
    assert 'CMD ["python", "-m", "api"]' in dockerfile
    build_args = services["api"]["build"]["args"]
    assert all(f"ARG {argument}=" in dockerfile for argument in build_args)
