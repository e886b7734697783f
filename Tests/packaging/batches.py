"""Makes batches with an installation and reads them: through `serve`, and from a daemon that has a configuration file.

usage: batches.py PICTURES
"""

import pathlib
import subprocess
import sys
import tempfile

import sassl

pictures = sys.argv[1]
with sassl.serve(pictures, layout="flat", batch_size=32, side=64, slots=2) as ring:
    served = [batch.checksum for batch, _ in zip(ring, range(3), strict=False)]

with tempfile.TemporaryDirectory(dir="/tmp") as folder:
    # The commented configuration that is installed, with what had to be changed.
    text = pathlib.Path(sys.prefix, "share", "sassl", "sassld.toml").read_text()
    for old, new in {
        'name = "default"': 'name = "installed"',
        'path = "/srv/images"': f'path = "{pictures}"',
        'layout = "image-folder"': 'layout = "flat"',
        "size = 256": "size = 32",
        "side = 224": "side = 64",
        "slots = 8": "slots = 2",
        "\nruntime_directory = ": f'\nruntime_directory = "{folder}" # ',
        '\ndirectory = ""': f'\ndirectory = "{folder}"',
    }.items():
        text = text.replace(old, new)
    configuration = pathlib.Path(folder, "sassld.toml")
    configuration.write_text(text)
    daemon = subprocess.Popen(["sassld", "--config", configuration])
    reader = sassl.attach("installed")
    read = [batch.checksum for batch, _ in zip(reader, range(3), strict=False)]
    subprocess.run(["sasslctl", "status", "--config", configuration], check=True)
    reader.close()
    daemon.terminate()
    assert daemon.wait() == 0

assert served == read, (served, read)
print(f"batches: {len(read)} made and read, twice the same")
