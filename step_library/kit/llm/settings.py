"""The parameters that all steps share that ask a language model."""

from __future__ import annotations

from octo.param import Param, grouped
from step_library.kit.llm.backends import NAMES
from step_library.kit.llm.replies import FORMATS

MODEL = Param("model", "str | null", None, "the model; else OCTO_LLM_MODEL in the environment, else the backend's own, "
              "gpt-3.5-turbo for openai")
TEMPERATURE = Param("temperature", "number | null", None, "how freely it answers, 0 to 2; else the service's own")
MAX_TOKENS = Param("max_tokens", "int | null", None, "tokens that one reply may have at most; else the "
                   "service's own limit")
OPTIONS = Param("options", "dict", {}, "what else the service takes: top_p, seed, stop, response_format …")
PARSE_OUTPUT = Param("parse_output", "str", "text", "what the reply is: text, or JSON, which is parsed; list and dict: "
                     "JSON that is one; the text then stands in <out>_raw", ("output_format", "output_type"), FORMATS)
SCHEMA = Param("schema", "dict", {}, "rules for the reply as those of ctx_validate_schema: {type: dict, fields: …}")
POST_FN = Param("post_fn", "callable | null", None, "function of the reply, parsed if that is asked for; what it "
                "returns is kept instead")
ON_ERROR = Param("on_error", "str | null", None, "a call that fails: raise; skip, which leaves ctx[out] as it is; "
                 "default, which puts default there. Without it: skip with error_to_ctx, else raise", (),
                 ("raise", "skip", "default"))
DEFAULT = Param("default", "any", None, "what on_error: default puts there")
ERROR_TO_CTX = Param("error_to_ctx", "bool", False, "a call that fails is written down in ctx instead of raised, if "
                     "on_error does not say otherwise")

DATA, REPLY, FAILURE = "what is sent", "the reply", "when a call fails"

_MODEL = grouped(
    "who answers",
    MODEL, TEMPERATURE, MAX_TOKENS, OPTIONS,
    Param("backend", "str | null", None, "who answers; else OCTO_LLM_BACKEND in the environment, else openai. The key "
          "comes from the environment only (OPENAI_API_KEY …); echo works offline and replies with the data",
          ("provider",), NAMES),
    Param("base_url", "str | null", None, "where the service is; for openai else OPENAI_BASE_URL in the environment"),
    Param("api_key_env", "str | null", None, "name in the environment of the key, where it is not the usual one"),
    Param("backend_fn", "callable | null", None, "a function of (messages, model, options) that answers instead: text, "
          "or {text, prompt_tokens, completion_tokens}"),
)
_TRIES = grouped(
    "time and tries",
    Param("timeout", "number", 120.0, "seconds for one try"),
    Param("attempts", "int", 3, "tries of a call, where a new one can help (no connection, 429, 500 …)"),
    Param("delay", "number", 1.0, "seconds before the second try; the service's Retry-After counts where it is longer"),
    Param("backoff", "number", 2.0, "factor by which the delay grows with each try"),
    Param("max_delay", "number", 60.0, "seconds that are waited at most; a longer Retry-After is a failure"),
    Param("reask", "int", 0, "times that the question is asked anew when the reply is not as parse_output and schema "
          "want it, or has no text"),
    Param("workers", "int", 4, "calls at once"),
)
_COSTS = grouped(
    "costs",
    Param("budget_tokens", "int | null", None, "tokens for all calls of the run together, as ctx['llm_usage'] counts "
          "them; a call that could exceed it is not made: what it sends counts, and its max_tokens"),
    Param("budget_cost", "number | null", None, "the same for money, in the unit of prices"),
    Param("prices", "dict", {}, "{model: {input: …, output: …}} for a million tokens; the model * is any other"),
    Param("cache", "str | null", None, "keep replies and take them from there for the same question: ctx (in "
          "ctx['llm_cache']), or a folder"),
    Param("cache_seconds", "number | null", None, "replies that are older are asked for again"),
)
_RECORDS = grouped(
    "records, beside ctx['llm_usage']",
    Param("audit", "bool", False, "add messages, reply and time of each call to ctx['audit']"),
    Param("debug", "bool", False, "add a line for each call to ctx['log']"),
)
CALLING = (*_MODEL, *_TRIES, *_COSTS, *_RECORDS)

READING = grouped(REPLY, PARSE_OUTPUT, SCHEMA, POST_FN)
STREAMING = grouped(
    "while the reply comes",
    Param("stream", "bool", False, "let ctx[out] grow (<out>_raw where it is parsed) while the reply comes"),
    Param("on_text", "callable | null", None, "function of the text so far, called while the reply comes"),
    Param("stream_every", "number", 0.5, "seconds between two such updates"),
)
FAILING = grouped(FAILURE, ERROR_TO_CTX, ON_ERROR, DEFAULT)


def sending(data_format: str) -> tuple[Param, ...]:
    """How prompt and data are sent. `data_format` is the default, in which siblings differ."""
    return grouped(
        DATA,
        Param("data_format", "str", data_format, "data that is no text is sent by str() or as JSON", (),
              ("str", "json")),
        Param("template", "bool", False, "fill {data}, {key_name} and {ctx[key]} in the prompt; with {data} in it the "
              "data is not sent a second time"),
        Param("prompt_library", "dict | path | null", None, "named prompts, or a YAML or JSON file of them: {name: "
              "text, or {version: text}}; prompt is a name then, or name@version"),
        Param("pre_fn", "callable | null", None, "function of the data, whose result is sent instead"),
        Param("chunk_chars", "int | null", None, "send longer data in pieces of so many characters: a list by its "
              "elements, text at paragraphs, lines, sentences or words"),
        Param("chunk_merge", "str | null", None, "how the replies to the pieces become one: a prompt with which they "
              "are sent again; without it texts are joined by an empty line, lists one after the other"),
    )
