/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_json.h - a lab's state as JSON: what `show --json` prints and what the keeper tells. */
#ifndef CHOPPY_LAB_JSON_H
#define CHOPPY_LAB_JSON_H

#include "choppy.h"
#include "json.h"
#include "json_read.h"

/* The lab as one object. */
void lab_json_write(struct json *j, const char *key, const struct choppy_lab *lab);

/* What that has written. -EPROTO: something is not there, or is no such thing. */
int lab_json_read(struct choppy_lab *ret, struct fy_node *from, struct choppy_err *err);

#endif
