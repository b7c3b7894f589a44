/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The condition model: one row a field, and a grammar that knows only rows.
 *
 *	change    = { clause } { ( "up" | "down" ) clause { clause } }
 *	clause    = "clear" | WORD VALUE { VALUE }
 *
 * A row with a word opens a clause; rows behind it without a word are the further
 * values that the clause may have, in order. The clauses before any direction word
 * make the base of both directions, those behind one are laid over it, whatever the
 * order of the direction words. Nothing here compares fields with each other: a
 * change may rest on a state that is not known yet. choppy_condition_check() judges
 * the state that results.
 *
 * An error names its word by index; point_at() adds the words and the caret.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "choppy.h"
#include "err.h"
#include "value.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define FIELD(member) offsetof(struct choppy_condition, member)

#define HOUR_NS (3600ull * 1000000000)
#define ALWAYS_PPB 1000000000ull
/* The kernel's netem counts in bytes per second: below 8 bit/s it would have none. */
#define RATE_MIN_BPS 8
#define RATE_MAX_BPS 1000000000000ull

static const struct choppy_field_row fields[] = {
	[CHOPPY_DELAY] = { .name = "delay",
			   .word = "delay",
			   .kind = CHOPPY_KIND_TIME,
			   .offset = FIELD(delay_ns),
			   .max = HOUR_NS,
			   .metavar = "TIME",
			   .help = "how much later each packet arrives, one way" },
	[CHOPPY_JITTER] = { .name = "jitter",
			    .kind = CHOPPY_KIND_TIME,
			    .offset = FIELD(jitter_ns),
			    .max = HOUR_NS,
			    .needs = CHOPPY_FIELD_BIT(CHOPPY_DELAY),
			    .why_needs = "jitter spreads a delay; without a delay there is "
					 "nothing to spread: add e.g. delay 50ms",
			    .metavar = "JITTER",
			    .help = "the delay varies evenly by up to this, more or less" },
	[CHOPPY_LOSS] = { .name = "loss",
			  .word = "loss",
			  .kind = CHOPPY_KIND_PROBABILITY,
			  .offset = FIELD(loss_ppb),
			  .max = ALWAYS_PPB,
			  .metavar = "PERCENT",
			  .help = "share of the packets that never arrive, each on its own" },
	[CHOPPY_RATE] = { .name = "rate",
			  .word = "rate",
			  .kind = CHOPPY_KIND_RATE,
			  .offset = FIELD(rate_bps),
			  .min = RATE_MIN_BPS,
			  .max = RATE_MAX_BPS,
			  .metavar = "RATE",
			  .help = "bits of whole frames per second" },
	[CHOPPY_LIMIT] = { .name = "limit",
			   .word = "limit",
			   .kind = CHOPPY_KIND_AMOUNT,
			   .offset = FIELD(limit),
			   .min = 1,
			   .max = UINT64_MAX, /* value_max() has one for each unit */
			   .needs = CHOPPY_FIELD_BIT(CHOPPY_RATE),
			   .why_needs = "limit is the length of the queue before a rate; without a "
					"rate there is no queue: add e.g. rate 10mbit",
			   .metavar = "AMOUNT",
			   .help = "length of the queue before the rate, in packets, bytes or "
				   "time" },
};
static_assert(ARRAY_SIZE(fields) == CHOPPY_NFIELDS, "a row for every field");

#define ALL_FIELDS (CHOPPY_FIELD_BIT(CHOPPY_NFIELDS) - 1)

static const char *const dir_words[] = { [CHOPPY_UP] = "up", [CHOPPY_DOWN] = "down" };
static_assert(ARRAY_SIZE(dir_words) == CHOPPY_NDIRS, "a word for every direction");

static const char clear_word[] = "clear";

/* What tc-netem(8) and its users have words for and this table has no row yet. */
static const char *const words_to_come[] = {
	"burst",   "corrupt", "correlation", "distribution", "duplicate", "ecn",
	"gap",	   "gemodel", "gimodel",     "inflight",     "outage",	  "overhead",
	"profile", "random",  "reorder",     "slot",	     "state",
};

/* Other people's names for ours. */
static const struct {
	const char *word, *ours;
} synonyms[] = {
	{ "bandwidth", "rate" },  { "buffer", "limit" }, { "bw", "rate" },
	{ "download", "down" },	  { "drop", "loss" },	 { "egress", "up" },
	{ "ingress", "down" },	  { "lag", "delay" },	 { "latency", "delay" },
	{ "packetloss", "loss" }, { "plr", "loss" },	 { "queue", "limit" },
	{ "throughput", "rate" }, { "upload", "up" },	 { "uplink", "up" },
	{ "downlink", "down" },
};

const struct choppy_field_row *choppy_fields(void)
{
	return fields;
}

/* ------------------------------------------------------------------- names */

static const char *const drop_names[] = {
	[CHOPPY_DROP_LOSS] = "loss",	 [CHOPPY_DROP_QUEUE] = "queue",
	[CHOPPY_DROP_MEMORY] = "memory", [CHOPPY_DROP_RECEIVE] = "receive",
	[CHOPPY_DROP_SEND] = "send",
};
static_assert(ARRAY_SIZE(drop_names) == CHOPPY_NDROPS, "a name for every reason");

static const char *const backend_names[] = { [CHOPPY_ENGINE] = "engine", [CHOPPY_NETEM] = "netem" };
static_assert(ARRAY_SIZE(backend_names) == CHOPPY_NBACKENDS, "a name for every backend");

static const char *const uplink_names[] = {
	[CHOPPY_UPLINK_NAT] = "nat", [CHOPPY_UPLINK_NONE] = "none"
};
static_assert(ARRAY_SIZE(uplink_names) == CHOPPY_NUPLINKS, "a name for every uplink");

static const char *name_of(const char *const *names, size_t n, unsigned int i)
{
	return i < n ? names[i] : "unknown";
}

const char *choppy_drop_name(enum choppy_drop reason)
{
	return name_of(drop_names, ARRAY_SIZE(drop_names), reason);
}

const char *choppy_backend_name(enum choppy_backend b)
{
	return name_of(backend_names, ARRAY_SIZE(backend_names), b);
}

const char *choppy_uplink_name(enum choppy_uplink u)
{
	return name_of(uplink_names, ARRAY_SIZE(uplink_names), u);
}

/* ------------------------------------------------------------------- state */

static bool is_set(const struct choppy_condition *c, int field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

static void *value_of(struct choppy_condition *c, int field)
{
	return (char *)c + fields[field].offset;
}

static const void *const_value_of(const struct choppy_condition *c, int field)
{
	return (const char *)c + fields[field].offset;
}

/* One behind the last row of the clause that row @field opens. */
static int clause_end(int field)
{
	do
		field++;
	while (field < CHOPPY_NFIELDS && !fields[field].word);
	return field;
}

void choppy_condition_merge(struct choppy_condition *state, const struct choppy_condition *change)
{
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (is_set(change, f))
			memcpy(value_of(state, f), const_value_of(change, f),
			       value_size(fields[f].kind));
	state->set |= change->set;
}

static int check_jitter(const struct choppy_condition *c, struct choppy_err *err)
{
	char delay[40], jitter[40];

	if (!is_set(c, CHOPPY_JITTER) || c->jitter_ns <= c->delay_ns)
		return 0;
	choppy_value_print(delay, sizeof(delay), CHOPPY_KIND_TIME, &c->delay_ns);
	choppy_value_print(jitter, sizeof(jitter), CHOPPY_KIND_TIME, &c->jitter_ns);
	return err_set(err, -EINVAL,
		       "jitter %s is above delay %s: packets cannot leave before they arrive; "
		       "at most delay %s %s",
		       jitter, delay, delay, delay);
}

/* @ret_field (may be NULL): on failure, the row at fault. */
static int check_fields(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	int unused, f, r;

	if (!ret_field)
		ret_field = &unused;
	if (c->set & ~ALL_FIELDS)
		return err_set(err, -EINVAL, "a field is set that is not known (bits %#llx)",
			       (unsigned long long)(c->set & ~ALL_FIELDS));
	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		if (!is_set(c, f))
			continue;
		*ret_field = f;
		r = value_check(&fields[f], const_value_of(c, f), err);
		if (r < 0)
			return r;
		if (fields[f].needs & ~c->set)
			return err_set(err, -EINVAL, "%s", fields[f].why_needs);
	}
	*ret_field = CHOPPY_JITTER;
	return check_jitter(c, err);
}

int choppy_condition_check(const struct choppy_condition *state, const char *dir_name,
			   struct choppy_err *err)
{
	int r = check_fields(state, NULL, err);

	if (r < 0 && dir_name)
		err_prefix(err, "%s", dir_name);
	return r;
}

/* ---------------------------------------------------------------- printing */

/*
 * The fields of @c in @mask. A further value whose clause is not open (no parse makes such a
 * state, and the check refuses it) is shown by its name.
 */
static void print_fields(struct text *t, const struct choppy_condition *c, uint64_t mask)
{
	bool open = false;
	char value[48];
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		bool set = is_set(c, f) && (mask & CHOPPY_FIELD_BIT(f));
		const char *word = fields[f].word ? fields[f].word : open ? NULL : fields[f].name;

		open = set && (fields[f].word || open);
		if (!set)
			continue;
		choppy_value_print(value, sizeof(value), fields[f].kind, const_value_of(c, f));
		text_add(t, "%s%s%s%s", t->len ? " " : "", word ? word : "", word ? " " : "",
			 value);
	}
}

/* A text that starts empty, also for a buffer of no bytes. */
static struct text text_begin(char *buf, size_t size)
{
	if (size)
		buf[0] = '\0';
	return (struct text){ buf, size, 0 };
}

int choppy_condition_print(char *buf, size_t size, const struct choppy_condition *c)
{
	struct text t = text_begin(buf, size);

	print_fields(&t, c, ALL_FIELDS);
	return (int)t.len;
}

/* Whole clauses that are the same in both directions, as field bits. */
static uint64_t common_fields(const struct choppy_condition dir[CHOPPY_NDIRS])
{
	const struct choppy_condition *a = &dir[CHOPPY_UP], *b = &dir[CHOPPY_DOWN];
	uint64_t common = 0;
	int f, i, end;

	for (f = 0; f < CHOPPY_NFIELDS; f = end) {
		uint64_t bits = 0;
		bool same = true;

		end = clause_end(f);
		for (i = f; i < end; i++) {
			bits |= CHOPPY_FIELD_BIT(i);
			same = same && is_set(a, i) == is_set(b, i) &&
			       (!is_set(a, i) || value_equal(fields[i].kind, const_value_of(a, i),
							     const_value_of(b, i)));
		}
		if (same)
			common |= bits & a->set;
	}
	return common;
}

int choppy_condition_print_both(char *buf, size_t size,
				const struct choppy_condition dir[CHOPPY_NDIRS])
{
	const uint64_t common = common_fields(dir);
	struct text t = text_begin(buf, size);
	int d;

	if (common) {
		print_fields(&t, &dir[CHOPPY_UP], common);
		text_add(&t, " each way");
	}
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		char one[256];
		struct text own = text_begin(one, sizeof(one));

		print_fields(&own, &dir[d], ~common);
		if (own.len)
			text_add(&t, "%s%s %s", t.len ? ", " : "", dir_words[d], one);
	}
	if (!t.len)
		text_add(&t, "no condition");
	return (int)t.len;
}

/* ----------------------------------------------------------------- parsing */

/* Clauses stand in one of these places; the number is the directions they are for. */
#define PLACES (CHOPPY_BOTH + 1)

struct parser {
	int n;
	const char *const *words;
	bool allow_clear;
	int at; /* the next word */
	unsigned int place; /* CHOPPY_DIR_BIT()s */
	int empty_dir; /* the direction word that has no clause yet, or -1 */
	int last; /* row that opened the clause before, or -1 */
	struct choppy_condition given[PLACES];
	int where[PLACES][CHOPPY_NFIELDS]; /* the word that gave it */
	bool cleared[PLACES];
};

#define LINE_COLUMNS 88

/*
 * Add to @err the words and a caret under word @at: all of them, or as many around
 * it as fit a line. Returns @code.
 */
static int point_at(const struct parser *p, int at, int code, struct choppy_err *err)
{
	char shown[WORD_BYTES];
	unsigned int width, before = 0, total, w;
	int first = at, last = at, i;
	bool grew = true;
	struct text t;

	if (!err)
		return code;
	t = (struct text){ err->msg, sizeof(err->msg), strlen(err->msg) };
	total = width = word_shown(shown, p->words[at]);
	while (grew) {
		grew = false;
		if (last + 1 < p->n) {
			w = 1 + word_shown(shown, p->words[last + 1]);
			if (total + w <= LINE_COLUMNS) {
				total += w;
				last++;
				grew = true;
			}
		}
		if (first > 0) {
			w = 1 + word_shown(shown, p->words[first - 1]);
			if (total + w <= LINE_COLUMNS) {
				total += w;
				before += w;
				first--;
				grew = true;
			}
		}
	}
	if (first > 0)
		before += (unsigned int)strlen("... ");
	text_add(&t, "\n  %s", first > 0 ? "... " : "");
	for (i = first; i <= last; i++) {
		word_shown(shown, p->words[i]);
		text_add(&t, "%s%s", i > first ? " " : "", shown);
	}
	text_add(&t, "%s\n  %*s^", last + 1 < p->n ? " ..." : "", (int)before, "");
	while (--width)
		text_add(&t, "~");
	return code;
}

/* What a clause looks like: "delay TIME [JITTER]". */
static void print_usage(struct text *t, int field)
{
	int f;

	text_add(t, "%s %s", fields[field].word, fields[field].metavar);
	for (f = field + 1; f < clause_end(field); f++)
		text_add(t, " [%s]", fields[f].metavar);
}

/* The @i-th word that may stand where a clause may, or NULL behind the last one. */
static const char *known_word(const struct parser *p, size_t i)
{
	size_t f;

	for (f = 0; f < ARRAY_SIZE(fields); f++)
		if (fields[f].word && i-- == 0)
			return fields[f].word;
	if (i < ARRAY_SIZE(dir_words))
		return dir_words[i];
	return i == ARRAY_SIZE(dir_words) && p->allow_clear ? clear_word : NULL;
}

#define NEAR_MAX 15 /* longest word that has a near one */

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits that make @b of @a: a letter more, less, other, or two swapped; case is none. */
static size_t distance(const char *a, const char *b)
{
	size_t d[NEAR_MAX + 1][NEAR_MAX + 1], la = strlen(a), lb = strlen(b), i, j;

	for (i = 0; i <= la; i++)
		d[i][0] = i;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = b[j - 1];

			d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1,
					  d[i - 1][j - 1] + (x != y));
			if (i > 1 && j > 1 && x == b[j - 2] &&
			    tolower((unsigned char)a[i - 2]) == y)
				d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[la][lb];
}

/* The known word that is most likely meant by @word, or NULL. */
static const char *near_word(const struct parser *p, const char *word)
{
	size_t i, best = 3, d;
	const char *ret = NULL, *known;

	for (i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (strcmp(word, synonyms[i].word) == 0)
			return synonyms[i].ours;
	if (strlen(word) > NEAR_MAX)
		return NULL;
	for (i = 0; (known = known_word(p, i)); i++) {
		d = distance(word, known);
		/* A short word with two edits is another word. */
		if (d < best && (d < 2 || strlen(known) > 3)) {
			best = d;
			ret = known;
		}
	}
	return ret;
}

/* A value where a word was due. */
static int stray_value(const struct parser *p, const char *shown, struct choppy_err *err)
{
	char usage[64];
	struct text t = { usage, sizeof(usage), 0 };

	if (p->last < 0)
		return err_set(err, -EINVAL, "'%s' has no word before it: for example loss 30%%",
			       shown);
	print_usage(&t, p->last);
	return err_set(err, -EINVAL, "'%s' is one value too many: %s", shown, usage);
}

/* The name of a row that has no word of its own. */
static int name_without_word(int field, struct choppy_err *err)
{
	char usage[64];
	struct text t = { usage, sizeof(usage), 0 };
	int opener = field;

	while (!fields[opener].word)
		opener--;
	print_usage(&t, opener);
	return err_set(err, -EINVAL, "%s is a further value of %s: %s", fields[field].name,
		       fields[opener].name, usage);
}

static int not_near(const struct parser *p, const char *shown, struct choppy_err *err)
{
	char list[192];
	struct text t = { list, sizeof(list), 0 };
	size_t i, n = 0;

	while (known_word(p, n))
		n++;
	for (i = 0; i < n; i++)
		text_add(&t, "%s%s", text_or(i, n), known_word(p, i));
	return err_set(err, -EINVAL, "there is no '%s': use %s", shown, list);
}

static int explain_unknown(const struct parser *p, const char *word, struct choppy_err *err)
{
	char shown[WORD_BYTES];
	const char *nearest;
	size_t i;

	word_shown(shown, word);
	if (!*word)
		return err_set(err, -EINVAL, "an empty word: leave it out");
	if (value_like(word))
		return stray_value(p, shown, err);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (!fields[i].word && strcmp(word, fields[i].name) == 0)
			return name_without_word((int)i, err);
	for (i = 0; i < ARRAY_SIZE(words_to_come); i++)
		if (strcmp(word, words_to_come[i]) == 0)
			return err_set(err, -EINVAL, "%s is not there yet", word);
	if (strcmp(word, clear_word) == 0)
		return err_set(err, -EINVAL,
			       "clear has nothing to remove here: nothing is set yet");
	nearest = near_word(p, word);
	if (nearest)
		return err_set(err, -EINVAL, "there is no '%s': did you mean '%s'?", shown,
			       nearest);
	return not_near(p, shown, err);
}

static const char *place_suffix(unsigned int place)
{
	static const char *const suffix[PLACES] = {
		[CHOPPY_DIR_BIT(CHOPPY_UP)] = " for up",
		[CHOPPY_DIR_BIT(CHOPPY_DOWN)] = " for down",
		[CHOPPY_BOTH] = "",
	};

	return suffix[place];
}

static int parse_direction(struct parser *p, int dir, struct choppy_err *err)
{
	if (p->empty_dir >= 0)
		return point_at(p, p->empty_dir,
				err_set(err, -EINVAL,
					"%s needs a condition after it: for example %s loss 30%%",
					p->words[p->empty_dir], p->words[p->empty_dir]),
				err);
	p->place = CHOPPY_DIR_BIT(dir);
	p->empty_dir = p->at++;
	p->last = -1;
	return 0;
}

static int parse_clear(struct parser *p, struct choppy_err *err)
{
	if (p->cleared[p->place])
		return point_at(
			p, p->at,
			err_set(err, -EINVAL, "clear is given twice%s", place_suffix(p->place)),
			err);
	if (p->given[p->place].set)
		return point_at(p, p->at,
				err_set(err, -EINVAL,
					"clear would remove what stands before it: put it first"),
				err);
	p->cleared[p->place] = true;
	p->empty_dir = -1;
	p->last = -1;
	p->at++;
	return 0;
}

/* The clause's values: the first must be there, the further ones may. */
static int parse_values(struct parser *p, int field, struct choppy_err *err)
{
	struct choppy_condition *c = &p->given[p->place];
	const int word = p->at++, end = clause_end(field);
	int f, r;

	if (p->at == p->n)
		return point_at(p, word,
				err_set(err, -EINVAL, "%s needs a value: for example %s %s",
					fields[field].name, fields[field].word,
					value_example(fields[field].kind)),
				err);
	for (f = field; f < end && p->at < p->n; f++, p->at++) {
		if (f > field && !value_like(p->words[p->at]))
			break;
		r = value_parse(value_of(c, f), &fields[f], p->words[p->at], err);
		if (r < 0)
			return point_at(p, p->at, r, err);
		c->set |= CHOPPY_FIELD_BIT(f);
		p->where[p->place][f] = f == field ? word : p->at;
	}
	return 0;
}

static int parse_field(struct parser *p, int field, struct choppy_err *err)
{
	if (is_set(&p->given[p->place], field))
		return point_at(p, p->at,
				err_set(err, -EINVAL, "%s is given twice%s", fields[field].name,
					place_suffix(p->place)),
				err);
	p->empty_dir = -1;
	p->last = field;
	return parse_values(p, field, err);
}

static int parse_clause(struct parser *p, struct choppy_err *err)
{
	const char *word = p->words[p->at];
	int i;

	for (i = 0; i < CHOPPY_NDIRS; i++)
		if (strcmp(word, dir_words[i]) == 0)
			return parse_direction(p, i, err);
	if (p->allow_clear && strcmp(word, clear_word) == 0)
		return parse_clear(p, err);
	for (i = 0; i < CHOPPY_NFIELDS; i++)
		if (fields[i].word && strcmp(word, fields[i].word) == 0)
			return parse_field(p, i, err);
	return point_at(p, p->at, explain_unknown(p, word, err), err);
}

/* Lay a direction's own clauses over those for both, or in their place when it clears. */
static void collect(struct choppy_change *ret, const struct parser *p)
{
	int d;

	memset(ret, 0, sizeof(*ret));
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		unsigned int place = CHOPPY_DIR_BIT(d);

		ret->clear[d] = p->cleared[CHOPPY_BOTH] || p->cleared[place];
		if (!p->cleared[place])
			choppy_condition_merge(&ret->dir[d], &p->given[CHOPPY_BOTH]);
		choppy_condition_merge(&ret->dir[d], &p->given[place]);
	}
}

static struct parser parser_begin(int n, const char *const *words, bool allow_clear)
{
	return (struct parser){ .n = n,
				.words = words,
				.allow_clear = allow_clear,
				.place = CHOPPY_BOTH,
				.empty_dir = -1,
				.last = -1 };
}

static int parse_all(struct parser *p, struct choppy_err *err)
{
	while (p->at < p->n) {
		int r = parse_clause(p, err);

		if (r < 0)
			return r;
	}
	if (p->empty_dir >= 0)
		return point_at(p, p->empty_dir,
				err_set(err, -EINVAL,
					"%s needs a condition after it: for example %s loss 30%%",
					p->words[p->empty_dir], p->words[p->empty_dir]),
				err);
	return 0;
}

int choppy_change_parse(struct choppy_change *ret, int n, const char *const *words,
			bool allow_clear, struct choppy_err *err)
{
	struct parser p = parser_begin(n, words, allow_clear);
	int r = parse_all(&p, err);

	if (r == 0)
		collect(ret, &p);
	return r;
}

int choppy_condition_parse(struct choppy_condition ret[CHOPPY_NDIRS], int n,
			   const char *const *words, struct choppy_err *err)
{
	struct parser p = parser_begin(n, words, false);
	struct choppy_change change;
	int d, f, r = parse_all(&p, err);

	if (r < 0)
		return r;
	collect(&change, &p);
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		unsigned int place = CHOPPY_DIR_BIT(d);

		r = check_fields(&change.dir[d], &f, err);
		if (r == 0)
			continue;
		if (!is_set(&p.given[place], f))
			place = CHOPPY_BOTH;
		return point_at(&p, p.where[place][f], r, err);
	}
	memcpy(ret, change.dir, sizeof(change.dir));
	return 0;
}
