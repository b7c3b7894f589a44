/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * out.h - what the user reads: messages, numbers for people, aligned tables.
 */
#ifndef CHOPPY_CLI_OUT_H
#define CHOPPY_CLI_OUT_H

#include "cmd.h"

/* "choppy CMD: ..." in one line on the error stream. Returns CHOPPY_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int out_usage(struct call *c, const char *fmt, ...);

/* The library's own words. Returns CHOPPY_EXIT_CANNOT or STATUS_FAILED. */
int out_failed(struct call *c, const struct choppy_err *err);

/* The same for a request that is wrong: returns CHOPPY_EXIT_USAGE when @err says so. */
int out_refused(struct call *c, const struct choppy_err *err);

int out_no_memory(struct call *c);

/* struct choppy_spec's note: "choppy: LINE" on the error stream, @call a struct call. */
void out_note(void *call, const char *line);

/* A library's line callback: LINE on the output stream, @call a struct call. */
void out_line(void *call, const char *line);

/* The library's problems with a file, on the error stream as they are. */
void out_problem(void *call, const char *text);

/* Words as they have to be typed in a shell, cut at @size with "...". */
void out_shell_words(char *buf, size_t size, int n, const char *const *words);

/* A time in at most four figures: "850ns", "12us", "1.5ms", "2.0s". */
void out_time(char *buf, size_t size, uint64_t ns);

/* @text at the column, wrapped to 80 columns; a '\n' begins a new line. */
void out_wrapped(FILE *f, int column, const char *text);

/* Rows of @ncols cells, columns aligned, two spaces apart. */
void out_table(FILE *f, int ncols, int nrows, char *const *cells);

#endif
