#!/usr/bin/env bash
# Prints what a shell step was given of ctx: each environment variable whose name begins with CTX_.
#
#   ctx_env_echo.sh [--exclude KEY]... [--quote] [--out FILE] [KEY]...
#
#   KEY            only these keys of ctx, with or without CTX_ before them; one that is not there is told, exit code 1
#   --exclude KEY  without this key
#   --quote        each value on one line, as a shell would read it (values with line breaks)
#   --out FILE     write it into FILE; the folders above it are made
#   -h, --help     this help
#
# The line CTX ENV VARS:, then NAME=VALUE, by name; values as they are. Nothing there is no mistake: the line alone.

set -u

fail() {
    printf 'ctx_env_echo.sh: %s\n' "$1" >&2
    exit 1
}

wanted=() excluded=() quote='' out=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            awk 'NR > 1 { if ($0 !~ /^#/) exit; sub(/^# ?/, ""); print }' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --quote) quote=yes ;;
        --exclude | --out)
            [ $# -ge 2 ] || fail "$1 takes one more word"
            if [ "$1" = --out ]; then out=$2; else excluded+=("CTX_${2#CTX_}"); fi
            shift
            ;;
        -*) fail "there is no option $1; --help lists them" ;;
        *) wanted+=("CTX_${1#CTX_}") ;;
    esac
    shift
done

has() { # is the first argument among the others?
    local each
    for each in "${@:2}"; do [ "$each" = "$1" ] && return 0; done
    return 1
}

found=() lines=('CTX ENV VARS:')
while IFS= read -r -d '' variable; do # NUL between them: a value may hold line breaks
    name=${variable%%=*} value=${variable#*=}
    case $name in CTX_*) ;; *) continue ;; esac
    found+=("$name")
    [ ${#wanted[@]} -eq 0 ] || has "$name" "${wanted[@]}" || continue
    [ ${#excluded[@]} -gt 0 ] && has "$name" "${excluded[@]}" && continue
    [ -n "$quote" ] && value=$(printf '%q' "$value")
    lines+=("$name=$value")
done < <(env -0 | LC_ALL=C sort -z)

if [ -n "$out" ]; then
    mkdir -p "$(dirname "$out")" && printf '%s\n' "${lines[@]}" >"$out" || fail "$out cannot be written"
else
    printf '%s\n' "${lines[@]}"
fi
for name in ${wanted[@]+"${wanted[@]}"}; do
    has "$name" ${found[@]+"${found[@]}"} || fail "there is no $name; is ${name#CTX_} among the step's shell_env_keys?"
done
exit 0
