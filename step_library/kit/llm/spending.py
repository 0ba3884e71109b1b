"""What calls to language models cost: counted in ctx["llm_usage"], kept within a budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from octo.errors import UsageError, nearest
from step_library.kit.llm.backend import Request, estimated_tokens
from step_library.kit.llm.failures import BudgetExceeded
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx

USAGE = "llm_usage"
MILLION = 1_000_000


class Spending:
    """The calls of a whole run, one entry each in ctx["llm_usage"]; entries stay when the step that called fails."""

    def __init__(self, ctx: Ctx, params: Mapping[str, Any]) -> None:
        records.check_list(ctx, USAGE)
        self._ctx = ctx
        self._tokens, self._cost = params["budget_tokens"], params["budget_cost"]
        self._prices = {model: _price(model, given) for model, given in params["prices"].items()}
        for name in ("budget_tokens", "budget_cost"):
            if params[name] is not None and params[name] < 0:
                raise UsageError(f"{name}: a budget is 0 or more, not {params[name]}")
        self._seen = 0
        self.used_tokens, self.used_cost = 0, 0.0

    def why_not(self, request: Request, running: Collection[Request]) -> BudgetExceeded | None:
        """Why a call may not be made: with it and those `running` the budget could be broken. None: it may."""
        self._look()
        if self._tokens is not None:
            more = sum(map(sum, map(_expected, running)))
            mine = sum(_expected(request))
            if self.used_tokens + more + mine > self._tokens:
                return BudgetExceeded(f"budget_tokens: {self._tokens} tokens for the run, {self.used_tokens + more} "
                                      f"are used, the next call to {request.model} may take {mine}")
        if self._cost is not None:
            spent = self.used_cost + sum(self._expected_cost(each) for each in running)
            mine_cost = self._expected_cost(request)
            if spent + mine_cost > self._cost or (spent >= self._cost and mine_cost):
                return BudgetExceeded(f"budget_cost: {self._cost:g} for the run, {spent:.6g} is used, the next call to "
                                      f"{request.model} may cost {mine_cost:.6g}")
        return None

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What a call costs; None where the model has no price."""
        price = self._prices.get(model, self._prices.get("*"))
        if price is None:
            return None
        return (prompt_tokens * price[0] + completion_tokens * price[1]) / MILLION

    def count(self, entry: dict[str, Any]) -> None:
        """Add a call to ctx["llm_usage"]."""
        records.append(self._ctx, USAGE, entry)

    def need_price(self, model: str) -> None:
        """UsageError where there is a budget of money and the model has no price."""
        if self._cost is not None and self.cost(model, 0, 0) is None:
            raise UsageError(f"prices: budget_cost needs a price for {model}{nearest(model, self._prices)}; such as "
                             f"prices: {{{model}: {{input: 0.5, output: 1.5}}}}, for a million tokens")

    def _expected_cost(self, request: Request) -> float:
        return self.cost(request.model, *_expected(request)) or 0.0

    def _look(self) -> None:
        """Add up the entries that are new since the last look; parallel steps add theirs too."""
        entries = self._ctx.get(USAGE) or []
        if len(entries) < self._seen:  # someone has taken some away
            self._seen, self.used_tokens, self.used_cost = 0, 0, 0.0
        for entry in list(entries[self._seen:]):
            self._seen += 1
            if isinstance(entry, Mapping):
                self.used_tokens += entry.get("total_tokens") or 0
                self.used_cost += entry.get("cost") or 0.0


def _expected(request: Request) -> tuple[int, int]:
    """Tokens that a request sends, and the most that it may get; where it sets no limit, none is known of before."""
    limits = [request.options.get(name) for name in ("max_tokens", "max_completion_tokens")]
    return estimated_tokens(request.text), max([limit for limit in limits if isinstance(limit, int)], default=0)


def _price(model: str, given: Any) -> tuple[float, float]:
    names = {"input", "output"}
    if not isinstance(given, Mapping) or set(given) != names or not all(
            isinstance(given[name], (int, float)) and given[name] >= 0 for name in names):
        raise UsageError(f"prices: that of {model} is to be {{input: …, output: …}}, for a million tokens each, "
                         f"not {given!r}")
    return float(given["input"]), float(given["output"])
