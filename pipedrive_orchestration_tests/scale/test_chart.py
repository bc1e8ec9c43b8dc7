"""The values for Dagster's chart: rendered by Helm, and what comes of it read as a cluster would read it.

The chart is the published one of our version of Dagster, or the folder that `DAGSTER_CHART` names. Helm is
the command, or the package `helm-python-sdk`. With `kubernetes-validate` the manifests are held against
Kubernetes' own schemas, and with the extra `kubernetes` a run's job is made as Dagster's launcher makes it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import jsonschema
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from pipedrive_orchestration.services.names import LOCATION
from pipedrive_orchestration.settings import Settings

pytestmark = pytest.mark.scale

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes-values.yaml").read_text())
REPOSITORY = "https://dagster-io.github.io/helm/"
RELEASE, NAMESPACE = "pipedrive", "crm"
MADE_BEFORE = {
    ("Secret", "pipedrive"),
    ("Secret", "pipedrive-postgresql"),
    ("ConfigMap", "pipedrive"),
    ("PersistentVolumeClaim", "pipedrive-project"),
}
"""What docs/deploy.md asks its reader to make."""

Manifests = Mapping[tuple[str, str], Any]
"""What was rendered, by kind and name."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the chart."""
    if given := os.environ.get("DAGSTER_CHART"):
        return Path(given)
    entries = yaml.safe_load(_fetched(f"{REPOSITORY}index.yaml"))["entries"]["dagster"]
    addresses = [entry["urls"][0] for entry in entries if entry["version"] == version("dagster")]
    assert addresses, f"there is no chart of Dagster {version('dagster')}"
    folder = tmp_path_factory.mktemp("chart")
    archive = io.BytesIO(_fetched(str(httpx.URL(REPOSITORY).join(addresses[0]))))
    with tarfile.open(fileobj=archive, mode="r:gz") as packed:
        packed.extractall(folder, filter="data")
    return folder / "dagster"


def _fetched(address: str) -> bytes:
    try:
        return httpx.get(address, timeout=60, follow_redirects=True).raise_for_status().content
    except httpx.HTTPError as error:
        pytest.skip(f"the chart cannot be fetched, and DAGSTER_CHART names no folder of it: {error}")


@pytest.fixture(scope="module")
def manifests(chart: Path) -> Manifests:
    return rendered(chart, VALUES)


def rendered(chart: Path, values: Mapping[str, Any]) -> Manifests:
    """What Helm makes of a chart, which refuses values that its schemas do not know."""
    documents = [each for each in yaml.safe_load_all(_text(chart, values)) if each]
    named = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert len(named) == len(documents), "two of a kind have one name"
    return named


def _text(chart: Path, values: Mapping[str, Any]) -> str:
    if helm := shutil.which("helm"):
        command = [helm, "template", RELEASE, str(chart), "--namespace", NAMESPACE, "--values", "-"]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, input=yaml.safe_dump(values)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
    reason = "there is neither the command helm nor the package helm-python-sdk"
    sdk = pytest.importorskip("helm_python", reason=reason)
    with sdk.Chart.load(chart) as loaded:
        texts = loaded.render(values, name=RELEASE, namespace=NAMESPACE)
    return "\n---\n".join(text for name, text in texts.items() if not name.endswith("NOTES.txt"))


def pods(manifests: Manifests) -> dict[str, Any]:
    """The specifications of the pods of deployments, by the part that each is."""
    deployments = [each["spec"]["template"] for (kind, _), each in manifests.items() if kind == "Deployment"]
    return {each["metadata"]["labels"]["component"]: each["spec"] for each in deployments}


def containers(pod: Mapping[str, Any]) -> list[Any]:
    return [*(pod.get("initContainers") or []), *pod["containers"]]


def environment(manifests: Manifests, pod: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a pod's container whose values are written in manifests."""
    (container,) = pod["containers"]
    variables: dict[str, str] = {}
    for source in container["envFrom"]:
        name = source.get("configMapRef", {}).get("name")
        variables |= manifests.get(("ConfigMap", name), {}).get("data") or {}
    return variables | {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.fixture(scope="module")
def instance(manifests: Manifests) -> dict[str, Any]:
    """The rendered `dagster.yaml`."""
    (text,) = (
        each["data"]["dagster.yaml"]
        for (kind, _), each in manifests.items()
        if kind == "ConfigMap" and "dagster.yaml" in (each["data"] or {})
    )
    written: dict[str, Any] = yaml.safe_load(text)
    return written


@pytest.fixture
def job(
    manifests: Manifests, instance: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The job of a run, as Dagster's launcher makes it of the instance and of what the code server says."""
    reason = "the extra kubernetes is not installed"
    jobs = pytest.importorskip("dagster_k8s.job", reason=reason)
    client = pytest.importorskip("kubernetes.client", reason=reason)
    monkeypatch.setattr("kubernetes.config.load_incluster_config", lambda: None)
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "none")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(instance))
    launcher: Any = InstanceRef.from_dir(str(tmp_path)).run_launcher
    variables = environment(manifests, pods(manifests)["user-deployments"])
    image = variables["DAGSTER_CURRENT_IMAGE"]
    repository = RepositoryPythonOrigin(
        "python",
        ModuleCodePointer("pipedrive_orchestration.definitions", "defs"),
        container_image=image,
        container_context=json.loads(variables["DAGSTER_CONTAINER_CONTEXT"]),
    )
    context = launcher.get_container_context_for_run(
        dg.DagsterRun("pull", job_code_origin=JobPythonOrigin("pull", repository))
    )
    made = jobs.construct_dagster_k8s_job(
        context.get_k8s_job_config(job_image=image, run_launcher=launcher),
        args=["dagster", "api", "execute_run"],
        job_name="dagster-run",
        user_defined_k8s_config=context.run_k8s_config,
    )
    written: dict[str, Any] = client.ApiClient().sanitize_for_serialization(made)
    return written


def test_the_values_fit_the_schema_of_the_chart(chart: Path) -> None:
    """With its own values below ours, as Helm puts them together; needs no Helm."""
    schema = json.loads((chart / "values.schema.json").read_text())
    usual = yaml.safe_load((chart / "values.yaml").read_text())
    jsonschema.validate(merged(usual, VALUES), schema)


def merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {key: merged(below.get(key), above.get(key, below.get(key))) for key in below | above}
    return above


def test_every_manifest_is_one_of_kubernetes(manifests: Manifests) -> None:
    for each in manifests.values():
        _is_one_of_kubernetes(each)


def _is_one_of_kubernetes(manifest: Mapping[str, Any]) -> None:
    """In the oldest and the newest version that is known here, with no field that it does not know."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    oldest, *_, newest = kubernetes.utils.all_versions()
    for known in (oldest, newest):
        kubernetes.validate(manifest, known, strict=True)


def test_what_is_referred_to_is_there(manifests: Manifests) -> None:
    """Of the chart, or of what docs/deploy.md asks for. A pod that lacks any of it never starts."""
    there = MADE_BEFORE | manifests.keys()
    assert not MADE_BEFORE & manifests.keys()
    for part, pod in pods(manifests).items():
        assert set(_references(pod)) <= there, part
    for (kind, _), binding in manifests.items():
        if kind == "RoleBinding":
            role, (subject,) = binding["roleRef"], binding["subjects"]
            assert {(role["kind"], role["name"]), (subject["kind"], subject["name"])} <= there
    page = (CHECKOUT / "docs" / "deploy.md").read_text()
    words = {"Secret": "secret", "ConfigMap": "config map", "PersistentVolumeClaim": "volume"}
    assert all(f"| {words[kind]} `{name}` |" in page for kind, name in MADE_BEFORE)


def _references(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod["serviceAccountName"]
    yield from (("Secret", each["name"]) for each in pod.get("imagePullSecrets") or [])
    for volume in pod["volumes"]:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        else:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in containers(pod):
        for source in container.get("envFrom", []):
            for kind in ("ConfigMap", "Secret"):
                named = source.get(f"{kind[0].lower()}{kind[1:]}Ref", {"optional": True})
                if not named.get("optional"):
                    yield kind, named["name"]
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                yield "Secret", variable["valueFrom"]["secretKeyRef"]["name"]


def test_every_part_has_the_instance(manifests: Manifests) -> None:
    """The code server too: without it there are no snapshots of the project folder."""
    made = {
        kind: name for (kind, name), each in manifests.items() if "dagster.yaml" in (each.get("data") or {})
    }
    assert pods(manifests).keys() == {"dagster-webserver", "dagster-daemon", "user-deployments"}
    for part, pod in pods(manifests).items():
        home = environment(manifests, pod)["DAGSTER_HOME"]
        assert f"{home} " in (DEPLOY / "Dockerfile").read_text()
        (container,) = pod["containers"]
        mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert f"{home}/dagster.yaml" in mounted, part
        assert volumes[mounted[f"{home}/dagster.yaml"]]["configMap"]["name"] == made["ConfigMap"]
        assert {"name": "DAGSTER_PG_PASSWORD", "valueFrom": {"secretKeyRef": {
            "name": "pipedrive-postgresql", "key": "postgresql-password"}}} in container["env"]  # fmt: skip


def test_the_instance_is_that_of_several_hosts(
    instance: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster takes it, and it says what deploy/dagster.yaml says, but that runs are jobs."""
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "none")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(instance))
    InstanceRef.from_dir(str(tmp_path))
    there = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    for key in ("retention", "schedules", "sensors", "backfills", "run_monitoring", "run_retries",
                "defs_state_storage", "telemetry", "nux"):  # fmt: skip
        assert there[key].items() <= instance[key].items(), key
    assert instance["compute_logs"]["class"] == there["compute_logs"]["class"]
    assert instance["run_launcher"]["class"] == "K8sRunLauncher"
    coordinator = instance["run_coordinator"]["config"]
    assert there["run_queue"].items() <= coordinator.items()
    assert "max_concurrent_runs" not in coordinator, "Dagster takes limits in one place only"
    runs = instance["concurrency"]["runs"]
    assert instance["concurrency"]["pools"] == there["concurrency"]["pools"]
    assert runs["tag_concurrency_limits"] == there["concurrency"]["runs"]["tag_concurrency_limits"]
    assert runs["max_concurrent_runs"] == VALUES["concurrency"]["runs"]["maxConcurrentRuns"]
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        database = instance[storage]["config"]["postgres_db"]
        assert database["password"] == {"env": "DAGSTER_PG_PASSWORD"}
        assert database["hostname"] == VALUES["postgresql"]["postgresqlHost"]
        assert database["scheme"] == there["storage"]["postgres"]["postgres_db"]["scheme"]


def test_the_parts_find_one_another(manifests: Manifests) -> None:
    """By the names of their services, and the code location by the name that commands and the API know."""
    parts = pods(manifests)
    workspace = yaml.safe_load(
        manifests["ConfigMap", "pipedrive-dagster-workspace-yaml"]["data"]["workspace.yaml"]
    )
    (server,) = (each["grpc_server"] for each in workspace["load_from"])
    assert server["location_name"] == LOCATION
    arguments = parts["user-deployments"]["containers"][0]["args"]
    assert arguments[arguments.index("--location-name") + 1] == LOCATION
    assert arguments[arguments.index("-p") + 1] == str(server["port"])
    variables = environment(manifests, parts["user-deployments"])
    web = httpx.URL(variables["PIPEDRIVE_DAGSTER_URL"])
    for name, port, part in ((server["host"], server["port"], "user-deployments"),
                             (web.host, web.port, "dagster-webserver")):  # fmt: skip
        service = manifests["Service", name]["spec"]
        assert [each["port"] for each in service["ports"]] == [port]
        assert service["selector"]["component"] == part
    container = parts["dagster-webserver"]["containers"][0]
    assert [each["containerPort"] for each in container["ports"]] == [web.port]
    assert container["readinessProbe"]["httpGet"]["port"] == web.port
    assert (
        str(server["port"])
        in parts["user-deployments"]["containers"][0]["readinessProbe"]["exec"]["command"][-1]
    )


def test_no_setting_is_taken_for_the_address_of_a_service(manifests: Manifests) -> None:
    """Kubernetes tells every pod of each service, in variables of the service's name: PIPEDRIVE_PORT."""
    named = {name.replace("-", "_").upper() for kind, name in manifests if kind == "Service"}
    assert "PIPEDRIVE" in named
    settings = {Settings.variable(field) for field in Settings.model_fields}
    told = re.compile(rf"({'|'.join(named)})_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)")
    assert not [variable for variable in settings if told.fullmatch(variable)]


def test_the_image_has_what_is_run(manifests: Manifests) -> None:
    """One image for all, of the name that docs/deploy.md builds; programs are those of our packages."""
    programs = {each.name for each in entry_points(group="console_scripts")}
    images = set()
    for part, pod in pods(manifests).items():
        (container,) = pod["containers"]
        images.add(container["image"])
        command = container.get("args") or shlex.split(container["command"][-1])
        assert command[0] in programs
        if "-w" in command:
            mounts = {each["mountPath"].rstrip("/") for each in container["volumeMounts"]}
            assert str(Path(command[command.index("-w") + 1]).parent) in mounts, part
    (image,) = images
    page = (CHECKOUT / "docs" / "deploy.md").read_text()
    assert re.search(rf"docker build .*EXTRAS=\S*kubernetes\S* -t {re.escape(image)} ", page)


def test_no_pod_has_a_right_that_it_does_not_need(manifests: Manifests) -> None:
    for pod in pods(manifests).values():
        _is_restricted(pod)


def _is_restricted(pod: Mapping[str, Any]) -> None:
    """As the profile `restricted` of Kubernetes asks it, its init containers too."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert f"USER {security['runAsUser']}\n" in (DEPLOY / "Dockerfile").read_text()
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_no_secret_is_written(manifests: Manifests) -> None:
    """They are referred to, and not at all by the web server, which is what people reach."""
    assert "Secret" not in {kind for kind, _ in manifests}
    parts = pods(manifests)
    for pod in parts.values():
        _names_its_secrets(pod)
    for (kind, name), each in manifests.items():
        if kind == "ConfigMap":
            assert not re.search(SECRET, " ".join(each["data"] or {})), name
    assert ("Secret", "pipedrive") not in set(_references(parts["dagster-webserver"]))


SECRET = "PASSWORD|TOKEN|SECRET|KEY"


def _names_its_secrets(pod: Mapping[str, Any]) -> None:
    for variable in (each for container in containers(pod) for each in container.get("env", [])):
        assert "value" not in variable or not re.search(SECRET, variable["name"])


def test_the_job_of_a_run_has_what_the_code_server_has(manifests: Manifests, job: dict[str, Any]) -> None:
    _is_one_of_kubernetes(job)
    pod, code = job["spec"]["template"]["spec"], pods(manifests)["user-deployments"]
    _is_restricted(pod)
    _names_its_secrets(pod)
    (there,), (here,) = code["containers"], pod["containers"]
    assert here["image"] == there["image"]
    assert pod["serviceAccountName"] == code["serviceAccountName"]
    needed = {
        ("Secret", "pipedrive"),
        ("ConfigMap", "pipedrive"),
        ("PersistentVolumeClaim", "pipedrive-project"),
    }
    assert needed <= set(_references(pod)) <= MADE_BEFORE | manifests.keys()
    for variable in ("PIPEDRIVE_PROJECT", "PIPEDRIVE_DAGSTER_URL", "DAGSTER_PG_PASSWORD"):
        assert [each for each in here["env"] if each["name"] == variable] == [
            each for each in there["env"] if each["name"] == variable
        ]
    assert {"name": "project", "mountPath": "/home/crm/project"} in here["volumeMounts"]


def test_the_job_of_a_migration_has_the_instance(chart: Path) -> None:
    """Of the upgrade that docs/deploy.md describes."""
    made = rendered(chart, VALUES | {"migrate": {"enabled": True}})
    (migration,) = (each["spec"]["template"]["spec"] for (kind, _), each in made.items() if kind == "Job")
    (container,) = migration["containers"]
    assert [*container["command"], *container["args"]] == ["dagster", "instance", "migrate"]
    home = environment(made, migration)["DAGSTER_HOME"]
    assert f"{home}/dagster.yaml" in {each["mountPath"] for each in container["volumeMounts"]}
    assert set(_references(migration)) <= MADE_BEFORE | made.keys()
    assert migration["securityContext"]["runAsNonRoot"] is True
