/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt.h - options as data: one table says what an option is called, what it
 * takes, where its value goes and what help says of it.
 */
#ifndef CHOPPY_CLI_OPT_H
#define CHOPPY_CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_kind {
	OPT_FLAG, /* bool at the offset; may be repeated */
	OPT_TEXT, /* char[size] at the offset */
	OPT_CHOICE, /* int at the offset: which of the choices */
	OPT_CALL, /* parse() is called with the offset's address */
	OPT_NKINDS,
};

/* What is wrong with the command line, in one line. */
struct opt_error {
	char text[1024];
};

struct opt {
	const char *name; /* without the dashes; NULL ends a table */
	char letter; /* short form, or 0 */
	enum opt_kind kind;
	bool repeat; /* may be given more than once */
	size_t offset, size;
	const char *metavar; /* NULL: takes no value */
	const char *help;
	const char *(*choice)(unsigned int i); /* name of choice i, NULL after the last */
	int (*parse)(void *at, const char *value, struct opt_error *err);
};

/* An OPT_TEXT row's kind, place and size. */
#define OPT_TEXT_AT(type, member)                                                                  \
	.kind = OPT_TEXT, .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

/* --help, which every table has without naming it. */
extern const struct opt opt_help_row;

/* A command line taken apart. */
struct opt_words {
	const char **words; /* the caller's array, as long as argv */
	int nwords;
	char **rest; /* what follows `--`, or the word at which parsing stopped */
	int nrest;
	bool dashes; /* `--` was there */
};

enum { OPT_OK = 0, OPT_HELP = 1 };
#define OPT_ANYWHERE (-1)

/*
 * Take @argv (@argc, without the command's name) apart by @table into @args and
 * @ret. Options may stand among the words until @stop_after words were seen;
 * the next word after them begins ret->rest, as `--` does. OPT_ANYWHERE: only `--` does.
 * Returns OPT_OK, OPT_HELP as soon as --help is met, or -EINVAL with @err.
 */
int opt_parse(const struct opt *table, void *args, int stop_after, int argc, char **argv,
	      struct opt_words *ret, struct opt_error *err);

/* Whether @arg would be read as an option and not as a word. */
bool opt_is_option(const char *arg);

/* Fill @err; returns -EINVAL. Control bytes become '?': a message is one line. */
__attribute__((format(printf, 2, 3))) int opt_fail(struct opt_error *err, const char *fmt, ...);

/* Replace control bytes in @s. */
void opt_one_line(char *s);

/* A whole number, decimal or 0x hexadecimal, all of @s. 0 or -EINVAL. */
int opt_u64(uint64_t *ret, const char *s);

/*
 * The name nearest to @word of those that @name gives for 0, 1, ... until NULL,
 * or NULL when none is near: at most two slips (one in a short word), or one
 * is the beginning of the other.
 */
const char *opt_near(const char *word, const char *(*name)(const void *ctx, unsigned int i),
		     const void *ctx);

#endif
