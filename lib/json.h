/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - writes JSON to a stream as it is told, without building a tree.
 */
#ifndef CHOPPY_JSON_H
#define CHOPPY_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Zero it and set the first two. A document ends with json_end(). */
struct json {
	FILE *f;
	bool one_line;
	int depth;
	bool more; /* something stands before in this object or array */
};

/* @key names a member of an object; NULL in an array and at the top. */
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_text(struct json *j, const char *key, const char *s);
/* The same; null where @s is NULL or "". */
void json_text_or_null(struct json *j, const char *key, const char *s);
void json_u64(struct json *j, const char *key, uint64_t n);
void json_i64(struct json *j, const char *key, int64_t n);
void json_bool(struct json *j, const char *key, bool b);
void json_end(struct json *j);

/* Length of the well-formed UTF-8 sequence at @s (RFC 3629, section 4), or 0. */
int json_utf8_len(const unsigned char *s);

#endif
