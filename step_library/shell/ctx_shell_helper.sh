#!/usr/bin/env bash
# Prints what a shell step was given of ctx as one JSON object: the environment variables that begin with CTX_.
#
#   ctx_shell_helper.sh [--exclude KEY]... [--format json|csv] [--indent] [--strict] [KEY]...
#
#   KEY            only these keys (in any case of letters); one that is not there is told, exit code 1
#   --exclude KEY  without this key
#   --format csv   lines key,value in place of JSON
#   --indent       nested values over several lines too (needs jq)
#   --strict       refuse a value that is no JSON, exit code 1, in place of taking it as text
#   -h, --help     this help
#
# Names stand without CTX_, in the order of the alphabet; nothing there gives {}. `source` it for the function
# ctx_json [KEY]..., which prints the same; sourcing prints nothing.

# Is the text a JSON value? Strings, literals and numbers become marks, then lists and dicts of marks become one.
ctx_is_json() {
    printf '%s' "$1" | LC_ALL=C awk '
        { text = text (NR > 1 ? "\n" : "") $0 }
        END {
            if (text ~ /[\001-\010\013\014\016-\037]/) exit 1
            gsub(/"([^"\\\n\t\r]|\\["\\\/bfnrt]|\\u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F])*"/, "\001", text)
            gsub(/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null/, "\002", text)
            if (text ~ /[\001\002][ \n\t\r]*[\001\002]/) exit 1
            gsub(/[ \n\t\r]+/, "", text)
            while (gsub(/\{(\001:[\001\002](,\001:[\001\002])*)?\}|\[([\001\002](,[\001\002])*)?\]/, "\002", text)) { }
            exit !(text == "\001" || text == "\002")
        }'
}

# The text as a JSON string.
ctx_json_text() {
    local text=$1 number code
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\r'/\\r}
    text=${text//$'\t'/\\t}
    if [[ $text == *[$'\001'-$'\037']* ]]; then
        for ((number = 1; number < 32; number++)); do
            printf -v code '\\%03o' "$number"
            printf -v code '%b' "$code"
            text=${text//"$code"/$(printf '\\u%04x' "$number")}
        done
    fi
    printf '"%s"' "$text"
}

# The text as a field of CSV.
ctx_csv_text() {
    case $1 in *[\",]* | *$'\n'* | *$'\r'*) printf '"%s"' "${1//\"/\"\"}" ;; *) printf '%s' "$1" ;; esac
}

_ctx_fail() {
    printf 'ctx_shell_helper.sh: %s\n' "$1" >&2
    return 1
}

_ctx_has() { # is the first argument among the others, in whatever case of letters?
    local first each
    first=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')
    for each in "${@:2}"; do [ "$(printf '%s' "${each#CTX_}" | tr '[:upper:]' '[:lower:]')" = "$first" ] && return 0; done
    return 1
}

ctx_json() {
    local wanted=() excluded=() found=() format=json indent='' strict='' variable key value output='' between=''
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help)
                awk 'NR > 1 { if ($0 !~ /^#/) exit; sub(/^# ?/, ""); print }' "${BASH_SOURCE[0]}"
                return 0
                ;;
            --indent) indent=yes ;;
            --strict) strict=yes ;;
            --exclude | --format)
                [ $# -ge 2 ] || { _ctx_fail "$1 takes one more word"; return 1; }
                if [ "$1" = --format ]; then format=$2; else excluded+=("${2#CTX_}"); fi
                shift
                ;;
            -*) _ctx_fail "there is no option $1; --help lists them"; return 1 ;;
            *) wanted+=("${1#CTX_}") ;;
        esac
        shift
    done
    case $format in json | csv) ;; *) _ctx_fail "--format is json or csv, not $format"; return 1 ;; esac
    [ -z "$indent" ] || command -v jq >/dev/null || { _ctx_fail "--indent needs jq (apt-get install jq)"; return 1; }

    while IFS= read -r -d '' variable; do # NUL between them: a value may hold line breaks
        case $variable in CTX_?*=*) ;; *) continue ;; esac
        key=${variable%%=*} value=${variable#*=}
        key=${key#CTX_}
        found+=("$key")
        [ ${#wanted[@]} -eq 0 ] || _ctx_has "$key" "${wanted[@]}" || continue
        [ ${#excluded[@]} -gt 0 ] && _ctx_has "$key" "${excluded[@]}" && continue
        if [ -n "$strict" ] && ! ctx_is_json "$value"; then
            _ctx_fail "the value of $key is no JSON: ${value:0:60}"
            return 1
        fi
        if [ "$format" = csv ]; then
            output+="$(ctx_csv_text "$key"),$(ctx_csv_text "$value")"$'\n'
        else
            ctx_is_json "$value" || value=$(ctx_json_text "$value")
            output+="$between  $(ctx_json_text "$key"): $value"
            between=$',\n'
        fi
    done < <(env -0 | LC_ALL=C sort -z)
    for key in ${wanted[@]+"${wanted[@]}"}; do
        _ctx_has "$key" ${found[@]+"${found[@]}"} \
            || { _ctx_fail "there is no CTX_$key; is it among the step's shell_env_keys?"; return 1; }
    done

    if [ "$format" = csv ]; then
        printf 'key,value\n%s' "$output"
    elif [ -n "$indent" ]; then
        printf '{%s}' "$output" | jq .
    elif [ -n "$output" ]; then
        printf '{\n%s\n}\n' "$output"
    else
        printf '{}\n'
    fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then # not when it is sourced
    set -u
    ctx_json "$@"
fi
