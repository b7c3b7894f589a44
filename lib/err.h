/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err.h - fill, prefix and hand on a struct choppy_err. The caller owns the
 * struct; every function accepts NULL for it.
 */
#ifndef CHOPPY_ERR_H
#define CHOPPY_ERR_H

#include "choppy.h"

/* Set code and text. @code is a negative errno. Returns @code. */
int err_set(struct choppy_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set(), with ": " and the words of @code appended. */
int err_sys(struct choppy_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set(), and mark it as something that this machine cannot do (status 77). */
int err_cannot(struct choppy_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "prefix: " before the text. Returns the code that @err holds. */
int err_prefix(struct choppy_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
