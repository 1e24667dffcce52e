"""Optional dependencies: asked for by name before the code that needs them is imported."""

from importlib.util import find_spec

from demoire.errors import DemoireError


def require(purpose: str, extra: str, *modules: str) -> None:
    """Checks that ``modules`` can be imported.

    Args:
        purpose: what needs them, the sentence's subject ("Scoring pictures").
        extra: the name of the group in pyproject.toml that brings them.
        modules: top-level names.

    Raises:
        DemoireError: one is missing; says what to install.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise DemoireError(
            f"{purpose} needs packages that are not installed ({', '.join(missing)}): "
            f"in the project's folder run  pip install -e '.[{extra}]'"
        )
