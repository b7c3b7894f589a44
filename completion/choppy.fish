# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of choppy in fish. All of it is known by choppy itself: choppy complete --help.

function __choppy
    set -l tokens (commandline -opc)
    set -l typed (commandline -ct)
    for line in (command $tokens[1] complete -- $tokens[2..-1] "$typed" 2>/dev/null)
        switch $line
            case '<file>'
                __fish_complete_path "$typed"
            case '<command *'
                set -l first (math (string match -r '\d+' $line) + 1)
                set -l rest
                if test $first -le (count $tokens)
                    set rest (string escape -- $tokens[$first..-1])
                end
                set -a rest $typed
                complete -C "$rest"
            case '*'
                echo $line
        end
    end
end

complete -c choppy -f -a '(__choppy)'
