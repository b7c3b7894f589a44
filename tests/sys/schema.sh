#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The JSON Schema of lab files against what reads them: a lab is refused by both where its form is
# wrong, and by `choppy check` alone where only a name or a value is.
. "$(dirname "$0")/lib.sh"
fake_host

check "choppy schema" choppy schema
cp "$T/out" "$T/schema.json"

# The labs, a line each: good; form; or sense.
cat >"$T/labs" <<-'END'
	good {"nodes": ["a", "b"], "links": ["a -- b"]}
	good {"nodes": {"web": {"command": "sleep 9", "env": {"A": 1, "B": null}}, "r1": "router", "r2": "router"}, "links": [{"web -- r1": "delay 5ms"}, {"r1 -- r2": {"condition": "rate 10mbit", "r1>r2": "loss 1%"}}], "lan": {"office": ["pc[1-3]", "r2"]}, "uplink": "r1"}
	good {"nodes": {"a": null, "s": {"kind": "switch"}, "b": {"command": ["sleep", 5]}}, "links": {"a -- s": null, "s -- b": {"name": "x", "addr": {"b": ["10.0.0.1/24", "fd00::1/64"]}}}}
	good {"name": "x", "seed": 7, "nodes": [1, 2], "uplink": {"node": 1, "kind": "none", "condition": "up lte loss 1%"}}
	good {"seed": "18446744073709551615", "lan": "h[1-3]"}
	good {"seed": 18446744073709551615, "star": {"hub": {"nodes": "h1", "condition": "3g"}}, "ring": ["a", "b", "c"]}
	good {"mesh": ["a", "b"], "dumbbell": [["x"], "y"], "fat-tree": 2}
	good {"dumbbell": {"n": {"left": ["x"], "right": "y", "condition": ""}, "m": ["u", "v"]}, "fat-tree": {"f": {"k": "2"}, "g": 2}}
	good {"nodes": ["a", "b"], "links": [{"a -- b": "'delay' 1ms"}, {"b -- a": " match 'tcp port 5' loss 1%"}]}
	form []
	form {"node": ["a"]}
	form {"nodes": "a"}
	form {"nodes": [["a"]]}
	form {"nodes": [null]}
	form {"nodes": {"a": "hots"}}
	form {"nodes": {"a": ["host"]}}
	form {"nodes": {"a": {"kin": "host"}}}
	form {"nodes": {"a": {"kind": "rooter"}}}
	form {"nodes": {"a": {"command": []}}}
	form {"nodes": {"a": {"command": [["x"]]}}}
	form {"nodes": {"a": {"env": ["A=b"]}}}
	form {"nodes": {"a": {"env": {"A": ["b"]}}}}
	form {"nodes": ["a"], "seed": -3}
	form {"nodes": ["a"], "seed": 1.5}
	form {"nodes": ["a"], "seed": "x"}
	form {"nodes": ["a"], "name": null}
	form {"nodes": ["a"], "include": [{"x": 1}]}
	form {"nodes": ["a", "b"], "links": ["a - b"]}
	form {"nodes": ["a", "b"], "links": "a -- b"}
	form {"nodes": ["a", "b"], "links": {"a": "loss 1%"}}
	form {"nodes": ["a", "b"], "links": {"a -- b": ["loss 1%"]}}
	form {"nodes": ["a", "b"], "links": {"a -- b": "los 1%"}}
	form {"nodes": ["a", "b"], "links": {"a -- b": "up loss 1%"}}
	form {"nodes": ["a", "b"], "links": {"a -- b": {"cond": "loss 1%"}}}
	form {"nodes": ["a", "b"], "links": {"a -- b": {"a>b": ["loss 1%"]}}}
	form {"nodes": ["a", "b"], "links": {"a -- b": {"addr": "10.0.0.1/24"}}}
	form {"nodes": ["a", "b"], "links": {"a -- b": {"addr": {"a": null}}}}
	form {"nodes": ["a"], "uplink": {"kind": "none"}}
	form {"nodes": ["a"], "uplink": ["a"]}
	form {"nodes": ["a"], "uplink": {"node": "a", "kind": "nut"}}
	form {"nodes": ["a"], "uplink": {"node": "a", "condition": "upp loss 1%"}}
	form {"lan": [["a"]]}
	form {"lan": {"x": {"nods": ["a"]}}}
	form {"lan": {"x": {"nodes": {"a": null}}}}
	form {"lan": {"x": null}}
	form {"dumbbell": ["a", "b", "c"]}
	form {"dumbbell": {"x": {"left": ["a"], "rigth": ["b"]}}}
	form {"dumbbell": "a"}
	form {"fat-tree": [4]}
	form {"fat-tree": {"x": "four"}}
	sense {"nodes": ["a", "a"]}
	sense {"nodes": ["a b"]}
	sense {"nodes": ["a"], "links": ["a -- b"]}
	sense {"nodes": ["a", "b"], "links": {"a -- b": "loss 101%"}}
	sense {"nodes": ["a", "b"], "links": {"a -- b": {"a>c": "loss 1%"}}}
	sense {"nodes": ["a"], "uplink": "b"}
	sense {"ring": ["a", "b"]}
END

cat >"$T/validate.py" <<-'END'
	import json
	import sys

	import jsonschema

	with open(sys.argv[1]) as f:
	    schema = json.load(f)
	jsonschema.Draft202012Validator.check_schema(schema)
	validator = jsonschema.Draft202012Validator(schema)
	for line in open(sys.argv[2]):
	    print("accepts" if validator.is_valid(json.loads(line.split(" ", 1)[1])) else "refuses")
END
check "it is a schema" python3 "$T/validate.py" "$T/schema.json" "$T/labs"
mapfile -t verdicts <"$T/out"
declare -A wants=([good]="accepts accepts" [form]="refuses refuses" [sense]="accepts refuses")
i=0
while read -r kind lab; do
	echo "$lab" >"$T/lab.json"
	reader=refuses
	! choppy check "$T/lab.json" >"$T/out" 2>&1 || reader=accepts
	equal "$kind: $lab" "${verdicts[i++]} $reader" "${wants[$kind]}"
done <"$T/labs"

finish
