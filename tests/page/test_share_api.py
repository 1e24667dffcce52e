"""Programs make links, too, with the real gradio_client."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from photos import banded
from PIL import Image
from visitors import Server

from demoire.images import decode
from demoire.shares import ShareSettings, open_library


@pytest.mark.parametrize("original", [True, False])
def test_a_program_gets_a_link_that_holds_its_results(original: bool, server: Server, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.fromarray(banded(101, 153)).save(photo, quality=92)
    client = Client(server.address, verbose=False, analytics_enabled=False)
    made = client.predict(handle_file(photo), "cnn", original, api_name="/share")
    assert re.fullmatch(rf"{re.escape(server.address)}/s/[0-9a-f]{{32}}", made["link"])
    library = open_library(ShareSettings(str(server.log.parent / "shares")))
    share_id = made["link"].rsplit("/", 1)[1]
    bundle = library.look(share_id)
    assert [pane.role for pane in bundle.panes] == (["original", "result"] if original else ["result"])
    assert bundle.expires == made["expires"] and bundle.title == photo.name
    run = bundle.panes[-1].run
    assert run is not None and run["model"] == "cnn" and len(run["weights_sha256"]) == 64
    restored = client.predict(handle_file(photo), "cnn", "png", api_name="/restore")[0]
    library.fetch(share_id, bundle, [bundle.panes[-1].file], tmp_path)
    assert np.array_equal(decode(tmp_path / bundle.panes[-1].file).pixels, decode(Path(restored)).pixels)
    assert made["key"] not in json.dumps(bundle.to_json().decode())
    library.delete(share_id, made["key"])


def test_errors_are_sentences(server: Server, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(banded(40, 50)).save(photo)
    client = Client(server.address, verbose=False, analytics_enabled=False)
    with pytest.raises(AppError, match="There is no model called 'cnm'"):
        client.predict(handle_file(photo), "cnm", True, api_name="/share")
    photo.write_bytes(b"not a picture")
    with pytest.raises(AppError, match="cannot be read as a picture"):
        client.predict(handle_file(photo), "cnn", True, api_name="/share")
