"""`octo completion`: the script that makes the shell complete commands, options, directories and nodes."""

from __future__ import annotations

import click

from octo.cli.command import command
from octo.errors import NotAvailable

INSTALL = {
    "bash": "To install: echo 'eval \"$(octo completion bash)\"' >> ~/.bashrc",
    "zsh": "To install: echo 'eval \"$(octo completion zsh)\"' >> ~/.zshrc",
    "fish": "To install: octo completion fish > ~/.config/fish/completions/octo.fish",
}


@command(
    "completion", "octo completion bash", 'eval "$(octo completion bash)"', "octo completion fish | source"
)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(list(INSTALL)))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the shell completion script.

    Its first line says how to install it.
    """
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    if complete is None:
        raise NotAvailable(f"this version of click cannot complete for {shell}")
    click.echo(f"# {INSTALL[shell]}")
    click.echo(complete(ctx.find_root().command, {}, "octo", "_OCTO_COMPLETE").source())
