#!/usr/bin/env bash
# GNU screen sessions by name: list, create, end, type commands into them, log what they show.
#
#   screen_script.sh -l [--json]           list the sessions: process number and name (as JSON: pid, name, state)
#   screen_script.sh -c NAME               create a detached session
#   screen_script.sh -r NAME [LOGFILE]     the same, logging to Logs/NAME_screen.log, written every second
#   screen_script.sh -d NAME               end it if it is there, then create it anew
#   screen_script.sh -k NAME               end it; one that is not there is a warning
#   screen_script.sh -s NAME COMMAND...    type each command into it, with Enter behind it
#   screen_script.sh -q NAME               is it there? Tells by the exit code, and prints its process number
#   screen_script.sh -a NAME               attach to it; without a terminal show the end of its log
#   screen_script.sh -h                    this help, as without any option
#
# Exit codes: 0 done; 1 no such session, a session of that name is there already, it failed, or wrong arguments;
# 100 GNU screen is not installed. A name is matched as a whole: foo is not foobar.
# A session has the environment and the directory of who creates it; in a recipe's step that is the keys of
# shell_env_keys as CTX_<key>, and a dashboard started in it follows the run. In a COMMAND, a word that is a documented
# path (scriptlets/...) and no file here stands for Octo's own file. COMMAND is typed as it is, so the session's shell
# reads it; a session lives on until it is ended.

set -u

readonly WAIT_TENTHS=50 # a session that is to end or to begin has 5 seconds for it

fail() {
    printf 'screen_script.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

help() { # the comment at the top of this file
    awk 'NR > 1 { if ($0 !~ /^#/) exit; sub(/^# ?/, ""); print }' "${BASH_SOURCE[0]}"
}

wrong() {
    printf 'screen_script.sh: %s\n\n' "$1" >&2
    help >&2
    exit 1
}

# One line a session that lives: PID, a tab, NAME, a tab, STATE.
sessions() {
    LC_ALL=C screen -ls 2>/dev/null | awk -F '\t' '
        $2 ~ /^[0-9]+\./ && $NF !~ /Dead/ {
            dot = index($2, ".")
            state = $NF
            gsub(/[()]/, "", state)
            print substr($2, 1, dot - 1) "\t" substr($2, dot + 1) "\t" state
        }'
}

# The process numbers of the sessions of exactly this name.
pids_of() {
    sessions | NAME=$1 awk -F '\t' '$2 == ENVIRON["NAME"] { print $1 }'
}

is_there() { [ -n "$(pids_of "$1")" ]; }

# Wait until `is_there NAME` is so ("yes") or not ("no").
wait_for() {
    local tenths=0
    while [ "$tenths" -lt "$WAIT_TENTHS" ]; do
        if is_there "$1"; then [ "$2" = yes ] && return 0; else [ "$2" = no ] && return 0; fi
        sleep 0.1
        tenths=$((tenths + 1))
    done
    return 1
}

# The one session of this name, as screen wants to be told it: PID.NAME.
session() {
    local pids
    pids=$(pids_of "$1")
    [ -n "$pids" ] || fail "there is no session $1; screen_script.sh -c $1 makes one"
    [ "$(printf '%s\n' "$pids" | wc -l)" -eq 1 ] || fail "there are several sessions $1: $(echo $pids)"
    printf '%s.%s' "$pids" "$1"
}

list() {
    if [ "${1:-}" = --json ]; then
        sessions | awk -F '\t' '
            function text(value) { gsub(/\\/, "\\\\", value); gsub(/"/, "\\\"", value); return "\"" value "\"" }
            BEGIN { printf "[" }
            { printf "%s{\"pid\": %s, \"name\": %s, \"state\": %s}", (NR > 1 ? ", " : ""), $1, text($2), text($3) }
            END { print "]" }'
    else
        sessions | awk -F '\t' '{ printf "%-10s %s\n", $1, $2 }'
    fi
}

create() {
    local said
    is_there "$1" && fail "a session $1 is there already ($(echo $(pids_of "$1"))); -k $1 ends it, -d $1 makes it anew"
    said=$(screen -dmS "$1" 2>&1 </dev/null)
    wait_for "$1" yes || fail "the session $1 does not start${said:+: $said}"
}

end() {
    local pid
    for pid in $(pids_of "$1"); do
        screen -S "$pid.$1" -X quit >/dev/null
    done
    wait_for "$1" no || fail "the session $1 does not end"
}

started() {
    printf 'session %s started (%s)%s\n' "$1" "$(pids_of "$1")" "${2:+, log $2}"
}

log_of() { printf 'Logs/%s_screen.log' "$1"; }

start_log() {
    local which path
    which=$(session "$1") || exit 1
    mkdir -p "$(dirname "$2")" && : >>"$2" || fail "the log $2 cannot be written"
    case $2 in /*) path=$2 ;; *) path=$PWD/$2 ;; esac
    path=${path//\\/\\\\}
    path=${path//%/%%} # screen fills in its own %-signs, such as %t
    screen -S "$which" -X logfile "$path" && screen -S "$which" -X logfile flush 1 && screen -S "$which" -X log on \
        || fail "the session $1 does not log"
}

# The command with documented paths that are no file here as Octo's own files.
with_known_paths() {
    local command=$1 source=${BASH_SOURCE[0]} here root found
    while [ -L "$source" ]; do
        found=$(readlink "$source")
        case $found in /*) source=$found ;; *) source=$(dirname "$source")/$found ;; esac
    done
    here=$(cd -P "$(dirname "$source")/../.." && pwd)
    for root in "$here/modules" "$here/octo/_modules" "$here"; do # a checkout; a wheel; a copy in scriptlets/shell
        if [[ $command =~ (^|[[:space:]])((orchestrator/)?(scriptlets/[A-Za-z0-9_./-]+)) ]]; then
            found=${BASH_REMATCH[2]}
            if [ ! -e "$found" ] && [ -e "$root/${BASH_REMATCH[4]}" ]; then
                command=${command/"$found"/"$(printf '%q' "$root/${BASH_REMATCH[4]}")"}
            fi
        fi
    done
    printf '%s' "$command"
}

# Type a text into a session, in pieces: screen takes no more than some hundred characters at once.
type_into() {
    local left=$2 piece
    while [ -n "$left" ]; do
        piece=${left:0:200}
        left=${left:200}
        piece=${piece//\\/\\\\} # to screen \ and ^ begin a control character, $ a variable of its own
        piece=${piece//^/\\^}
        piece=${piece//$/\\$}
        screen -S "$1" -X stuff "$piece" || return 1
    done
}

send() {
    local which command
    which=$(session "$1") || exit 1
    shift
    for command in "$@"; do
        command=$(with_known_paths "$command")
        type_into "$which" "$command"$'\n' || fail "the session ${which#*.} does not take the command"
        printf 'sent to %s: %s\n' "${which#*.}" "$command"
    done
}

attach() {
    local which
    which=$(session "$1") || exit 1
    [ -t 0 ] && [ -t 1 ] && exec screen -x "$which"
    [ -f "$(log_of "$1")" ] || fail "no terminal to attach to here, and there is no log $(log_of "$1")"
    tail -n 20 "$(log_of "$1")"
}

main() {
    local option=${1:-} name=${2:-} pids
    case $option in
        '' | -h | --help) help && exit 0 ;;
        -l) [ $# -eq 1 ] || { [ $# -eq 2 ] && [ "$2" = --json ]; } || wrong "-l takes nothing but --json" ;;
        -k | -c | -d | -q | -a) [ $# -eq 2 ] || wrong "$option takes one NAME" ;;
        -r) [ $# -eq 2 ] || { [ $# -eq 3 ] && [ -n "$3" ]; } || wrong "-r takes a NAME, and may be a LOGFILE" ;;
        -s) [ $# -ge 3 ] || wrong "-s takes a NAME and a COMMAND" ;;
        *) wrong "there is no option $option" ;;
    esac
    case $option:$name in
        -l:*) ;;
        *: | *:-* | *[[:space:]/]*) wrong "a NAME is not empty, has no blank and no /, and does not begin with -: '$name'" ;;
    esac
    command -v screen >/dev/null || fail "GNU screen is not installed, or not on PATH (apt-get install screen)" 100
    case $option in
        -l) list "${2:-}" ;;
        -c) create "$name" && started "$name" ;;
        -d) { ! is_there "$name" || end "$name"; } && create "$name" && started "$name" ;;
        -r)
            create "$name" && start_log "$name" "${3:-$(log_of "$name")}"
            started "$name" "${3:-$(log_of "$name")}"
            ;;
        -k)
            if is_there "$name"; then
                end "$name" && printf 'session %s ended\n' "$name"
            else
                printf 'screen_script.sh: warning: there is no session %s\n' "$name" >&2
            fi
            ;;
        -s) shift 2 && send "$name" "$@" ;;
        -q)
            pids=$(pids_of "$name")
            [ -n "$pids" ] && printf '%s\n' "$pids"
            ;;
        -a) attach "$name" ;;
    esac
}

main "$@"
