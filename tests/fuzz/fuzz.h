/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every fuzz target has: its entry, and a check that says which one it was before it aborts.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "choppy.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file "f" of @size bytes was refused: the message is one line that says where in it. */
static inline void check_refused_file(const struct choppy_err *err, size_t size)
{
	unsigned long line, column;
	int at = 0;
	const char *p;

	CHECK(err->code == -EINVAL);
	CHECK(sscanf(err->msg, "f:%lu:%lu: %n", &line, &column, &at) == 2 && at && err->msg[at]);
	CHECK(line >= 1 && line <= size + 1 && column >= 1 && column <= size + 1);
	for (p = err->msg; *p; p++)
		CHECK((unsigned char)*p >= 0x20);
}

#endif
