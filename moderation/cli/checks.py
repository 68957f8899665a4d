"""Commands about one clip: `check` runs the pipeline here, `submit` uses HTTP, `verify` reads any copy's marks."""

import json
import sys
from pathlib import Path
from typing import IO, Annotated, BinaryIO, Final, NoReturn

import httpx
import typer

from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.errors import Outage, RefusedAtTheDoor, TooLarge
from moderation.problems import problem_of
from moderation.settings import Settings


def demand_folder(out: Path | None) -> Path | None:
    """Refuse a target that cannot be written before the work is done that it is for."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise typer.BadParameter(f"{out} is a folder" if out.is_dir() else f"there is no folder {out.parent}")
    return out


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Creator = Annotated[str | None, typer.Option(help="Your platform's id of who made it.")]
Prompt = Annotated[str | None, typer.Option(help="The prompt the clip was generated from.")]
Cameo = Annotated[list[str] | None, typer.Option("--cameo", help="A person declared to appear; may be repeated.")]
Purpose = Annotated[str | None, typer.Option(help="What it is for, in one word; people may allow some only.")]
Out = Annotated[Path | None, typer.Option(help="Write the released file here.", callback=demand_folder)]
NEXT_STEP: Final = "start one with `moderation up`, or set MODERATION_URL and MODERATION_API_KEY"
Part = tuple[str, tuple[str, IO[bytes] | bytes, str]]


def check(
    file: File,
    *,
    out: Out = None,
    creator: Creator = None,
    prompt: Prompt = None,
    cameo: Cameo = None,
    purpose: Purpose = None,
    policies: Annotated[Path | None, typer.Option(help="Judge by the policies of this folder.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Take one clip through the whole pipeline in this process. Exit 0 released, 1 not released, 3 refused."""
    from moderation.api.schemas import ClipMetadata, read_json  # noqa: PLC0415 (pulls in the whole pipeline)
    from moderation.assembly import open_services  # noqa: PLC0415
    from moderation.checking import check_file  # noqa: PLC0415
    from moderation.policy.loader import load_ruleset  # noqa: PLC0415
    from moderation.verdicts import read_verdict  # noqa: PLC0415

    settings = with_models(local_settings())
    if policies is not None:
        chosen = settings.policies.model_copy(update={"folder": policies.resolve(), "mode": "file"})
        settings = settings.model_copy(update={"policies": chosen})
    submission = read_json(ClipMetadata, metadata(creator, prompt, cameo, purpose=purpose)).submission()
    with open_services(settings) as services:
        # Policies that cannot be used are the caller's to mend, no reason to hold a clip.
        if settings.policies.mode == "file":
            load_ruleset(settings.policies_dir())
        _ = services.ruleset
        try:
            clip = check_file(services, "default", "cli", file, submission)
        except (RefusedAtTheDoor, TooLarge) as refusal:
            tell_problem(problem_of(refusal), as_json=as_json)
        verdict = read_verdict(services, "default", clip.clip_id)
        released = verdict["status"] == "released"
        if released and out is not None:
            copy_released(services, clip.clip_id, out)
    tell_verdict(verdict, as_json=as_json)
    raise typer.Exit(0 if released else 1)


def with_models(settings: Settings) -> Settings:
    """Build the packs of weights that are missing; a command that needs weights gets them."""
    from detectors import packs  # noqa: PLC0415 (only commands that look at clips need it)
    from moderation.layering import packs_of_layers  # noqa: PLC0415

    packs.build(settings.models, progress=tell_progress)
    for pack in packs_of_layers(settings):
        packs.build_optional(settings.models, pack, progress=tell_progress)
    return settings


def tell_progress(line: str) -> None:
    """Show how building goes; stdout stays for answers."""
    sys.stderr.write(f"{line}\n")


def copy_released(services: object, clip_id: str, out: Path) -> None:
    """Write the released bytes to a file."""
    from moderation import release  # noqa: PLC0415
    from moderation.services import Services  # noqa: PLC0415

    assert isinstance(services, Services)
    key, _, size = release.media(services, "default", clip_id)
    with out.open("wb") as target:
        for chunk in services.store.stream(key, 0, size):
            target.write(chunk)


def metadata(
    creator: str | None,
    prompt: str | None,
    cameos: list[str] | None,
    parents: list[str] | None = None,
    purpose: str | None = None,
) -> bytes:
    """What is said of a clip, as the API reads it; what was not said is left out, an empty prompt was said."""
    lists = {"cameos": cameos or None, "parents": parents or None}
    said = {"creator": creator, "prompt": prompt, **lists, "purpose": purpose}
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


def tell_problem(document: dict[str, object], *, as_json: bool) -> NoReturn:
    """Print a problem document, whole or as a sentence, and end with exit code 3."""
    if as_json:
        print_json(document)
    else:
        typer.echo(f"refused: {document['detail']} ({document['code']})", err=True)
        errors = document.get("errors")
        for place in errors if isinstance(errors, list) else []:
            typer.echo(f"  {place['pointer']}: {place['detail']}", err=True)
    raise typer.Exit(3)


def tell_verdict(verdict: dict[str, object], *, as_json: bool) -> None:
    """Print a verdict, whole or in a few lines."""
    if as_json:
        print_json(verdict)
        return
    typer.echo(f"{verdict['id']}  {verdict['status']}")
    decision = verdict["decision"]
    if isinstance(decision, dict):
        for reason in decision["reasons"]:
            typer.echo(f"  {reason['code']}  {reason.get('params') or ''}")


def submit(
    file: File,
    *,
    creator: Creator = None,
    prompt: Prompt = None,
    cameo: Cameo = None,
    purpose: Purpose = None,
    parent: Annotated[list[str] | None, typer.Option("--parent", help="A clip it was made from.")] = None,
    wait: Annotated[int, typer.Option(help="Wait up to this many seconds for the verdict.")] = 0,
    out: Out = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Hand one clip to a running service over HTTP."""
    url, key = where_to_submit(Settings())
    headers = {"Authorization": f"Bearer {key}"} | ({"Prefer": f"wait={wait}"} if wait else {})
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=wait + 120) as client, file.open("rb") as content:
            parts = form(metadata(creator, prompt, cameo, parent, purpose), file.name, content)
            answer = client.post("/v1/clips", files=parts)
            document = read_document(answer)
            if answer.is_error:
                tell_problem(document, as_json=as_json)
            if out is not None and document["status"] == "released":
                out.write_bytes(client.get(f"/v1/clips/{document['id']}/media").raise_for_status().content)
    except httpx.HTTPError as error:
        raise Outage("service", f"{url} does not answer ({type(error).__name__}): {NEXT_STEP}") from error
    tell_verdict({"decision": None, **document}, as_json=as_json)
    raise typer.Exit(0 if document["status"] in {"released", "received", "processing"} else 1)


def read_document(answer: httpx.Response) -> dict[str, object]:
    """The JSON object of an answer. Raises Outage when whoever answered was no service of ours."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or not {"status", "id" if answer.is_success else "detail"} <= set(document):
        raise Outage("service", f"{answer.url.host} answered {answer.status_code} and nothing of ours: {NEXT_STEP}")
    return document


def form(said: bytes, name: str, content: BinaryIO) -> list[Part]:
    """The two parts of a submission."""
    return [("metadata", ("metadata", said, "application/json")), ("file", (name, content, "video/mp4"))]


def where_to_submit(settings: Settings) -> tuple[str, str]:
    """URL and key of the service: from the environment, else from `dev.json` of the state. Raises Outage."""
    development = settings.state / "dev.json"
    known = json.loads(development.read_text()) if development.is_file() else {}
    url = settings.url or known.get("url")
    key = settings.api_key.get_secret_value() if settings.api_key else known.get("api_key")
    if not url or not key:
        raise Outage("service", f"no service is running here: {NEXT_STEP}")
    return url, key


def verify(
    file: File,
    *,
    language: Annotated[str, typer.Option(help="en, fr or ar; without it the environment's.", envvar="LANG")] = "en",
    as_json: bool = JSON_OPTION,
) -> None:
    """Tell where any copy of a clip came from, a video or a picture. Exit 0 when it is ours, 1 when not or unknown."""
    from moderation.assembly import open_services  # noqa: PLC0415
    from moderation.messages import language_of  # noqa: PLC0415
    from moderation.telling import tell, tell_layers  # noqa: PLC0415
    from moderation.verification import verify_file  # noqa: PLC0415

    with open_services(local_settings()) as services:
        answer = verify_file(services, file, staff_of="default")
    if as_json:
        print_json(answer)
    else:
        spoken = language_of(language)
        typer.echo(tell(answer, spoken))
        for name, finding in tell_layers(answer, spoken):
            typer.echo(f"  {name}: {finding}")
    raise typer.Exit(0 if answer["origin"] == "ours" else 1)
