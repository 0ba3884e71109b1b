# scriptlets/steps/hello_world.py
from orchestrator.context import Context
from scriptlets.core.base import BaseScriptlet


class HelloWorld(BaseScriptlet):
    def validate(self, ctx: Context, params: dict):
        if "message" not in params:
            raise ValueError("Missing 'message' argument")

    def run(self, ctx: Context, params: dict) -> int:
        self.validate(ctx, params)
        msg = params["message"]
        print(msg)
        ctx.set("hello_world.output", msg, who="hello_world")
        return 0
