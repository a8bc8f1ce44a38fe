"""Rules about Python itself: files that do not compile, names and modules that do not exist, commas that are missing.

They hold for DAGs, Spark scripts and whatever these import. What is likely but not certain is a warning: code that
other code writes, names that a notebook supplies, packages of which a part lies in another repository.
"""

from interlock.model.findings import Severity
from interlock.rules.python_around import REQUIREMENTS, requirements_of
from interlock.rules.python_broken import broken
from interlock.rules.python_calls import calls
from interlock.rules.python_imports import module_facts
from interlock.rules.python_missing import missing
from interlock.rules.python_modules import FACTS
from interlock.rules.python_strings import missing_commas
from interlock.rules.rule import BatchCheck, Family, FileCheck, FileFacts, Rule

_PYTHON = ("*.py",)
_REQUIREMENTS = ("*requirements*.txt", "*requirements*.in", "constraints*.txt", "pyproject.toml", "Pipfile")

FAMILY = Family(
    "python",
    (
        Rule("ILK-PY001", "python-syntax", "a file is no valid Python"),
        Rule("ILK-PY002", "undefined-name", "a name is used that nothing defines"),
        Rule("ILK-PY003", "missing-module", "a module of the project is imported that does not exist"),
        Rule("ILK-PY004", "missing-import-name", "a name is imported that its module does not define"),
        Rule("ILK-PY005", "relative-import-in-dag", "a DAG file uses a relative import, which fails in Airflow"),
        Rule("ILK-PY006", "joined-strings", "a missing comma joins two strings", Severity.ERROR),
        Rule("ILK-PY007", "power-for-arguments", "a missing comma before * or ** calculates instead of passing on"),
        Rule("ILK-PY008", "module-for-class", "a module is used as if it were its class, or a class as its module"),
        Rule("ILK-PY009", "call-misfit", "a function of the same file is called with arguments that do not fit"),
    ),
    file_checks=(FileCheck(_PYTHON, missing_commas), FileCheck(_PYTHON, calls)),
    facts=(
        FileFacts(FACTS, _PYTHON, module_facts),
        FileFacts(REQUIREMENTS, _REQUIREMENTS, requirements_of),
    ),
    batch_checks=(BatchCheck(_PYTHON, broken),),
    project_checks=(missing,),
)
