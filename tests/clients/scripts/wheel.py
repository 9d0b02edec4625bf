# Writes the smallest wheel there is: a folder for it is the argument.
import sys
from zipfile import ZipFile

METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: stand-in\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
FILES = {"tiny.py": "WORD = 'Guten Tag'\n", "METADATA": METADATA, "WHEEL": WHEEL}

with ZipFile(sys.argv[1] + "/tiny-1.0-py3-none-any.whl", "w") as wheel:
    record = ""
    for name, text in FILES.items():
        name = name if name.endswith(".py") else "tiny-1.0.dist-info/" + name
        record += name + ",,\n"
        wheel.writestr(name, text)
    wheel.writestr("tiny-1.0.dist-info/RECORD", record + "tiny-1.0.dist-info/RECORD,,\n")
