/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netem in the words of tc(8): a condition for tc's command line, and tc's command line as a
 * condition, each with the values that the other takes from it.
 *
 * A line of tc is a whole netem, so what it does not say has tc's value (limit 1000). What
 * differs from choppy's grammar is translated word by word: shares and counts have no units there,
 * a rate may be in bytes, gap stands anywhere. A time without a unit is refused: it has been
 * microseconds, milliseconds and nanoseconds, by version and by page. The translation then goes
 * through choppy's own grammar, which checks it like any other condition.
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend.h"
#include "distribution.h"
#include "err.h"
#include "fields.h"
#include "util.h"
#include "value.h"

#define TC_LIMIT "1000" /* tc's, not the kernel's */

/* -------------------------------------------------------------------- print */

/* The shortest percentage that tc's double arithmetic takes for @f. */
static void add_share(struct text *t, uint32_t f)
{
	char text[32];

	for (int digits = 0; digits <= 12; digits++) {
		snprintf(text, sizeof(text), "%.*f", digits, f * 100.0 / UINT32_MAX);
		if (rint(strtod(text, NULL) / 100 * UINT32_MAX) == f)
			break;
	}
	text_add(t, " %s%%", text);
}

static void add_share_if(struct text *t, uint32_t f)
{
	if (f)
		add_share(t, f);
}

static void add_time(struct text *t, int64_t ns)
{
	char value[64];
	uint64_t n = (uint64_t)ns;

	choppy_value_print(value, sizeof(value), &fields[CHOPPY_DELAY], &n);
	text_add(t, " %s", value);
}

/* tc looks for NAME.dist in a directory of its own, or in that of TC_LIB_DIR. */
static void add_distribution(struct text *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[CHOPPY_PATH_MAX];
	size_t len;

	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : path);
	len = strlen(name);
	if (len > 5 && strcmp(name + len - 5, ".dist") == 0)
		name[len - 5] = '\0';
	text_add(t, " distribution ");
	text_add_word(t, name);
}

static void add_delay(struct text *t, const struct netem_values *v,
		      const struct choppy_condition *c)
{
	if (!v->latency_ns && !v->jitter_ns)
		return;
	text_add(t, " delay");
	add_time(t, v->latency_ns);
	if (!v->jitter_ns)
		return;
	add_time(t, v->jitter_ns);
	add_share_if(t, v->corr.delay_corr);
	if (field_set(c, CHOPPY_DISTRIBUTION) && strcmp(c->distribution, "uniform") != 0)
		add_distribution(t, c->distribution);
}

static void add_loss(struct text *t, const struct netem_values *v)
{
	if (v->model == NETEM_MODEL_GI) {
		text_add(t, " loss state");
		add_share(t, v->gi.p13);
		add_share(t, v->gi.p31);
		add_share(t, v->gi.p32);
		add_share(t, v->gi.p23);
		add_share(t, v->gi.p14);
	} else if (v->model == NETEM_MODEL_GE) {
		text_add(t, " loss gemodel");
		add_share(t, v->ge.p);
		add_share(t, v->ge.r);
		add_share(t, UINT32_MAX - v->ge.h);
		add_share(t, v->ge.k1);
	} else if (v->qopt.loss) {
		text_add(t, " loss");
		add_share(t, v->qopt.loss);
		add_share_if(t, v->corr.loss_corr);
	}
	if (v->ecn)
		text_add(t, " ecn");
}

static void add_chance(struct text *t, const char *word, uint32_t f, uint32_t correlation)
{
	if (!f)
		return;
	text_add(t, " %s", word);
	add_share(t, f);
	add_share_if(t, correlation);
}

static void add_rate(struct text *t, const struct netem_values *v)
{
	const struct tc_netem_rate *r = &v->rate;
	uint64_t rate = v->rate64 ? v->rate64 : r->rate;

	if (!rate)
		return;
	text_add(t, " rate %" PRIu64 "bit", rate * 8);
	if (r->packet_overhead || r->cell_size)
		text_add(t, " %d", r->packet_overhead);
	if (r->cell_size)
		text_add(t, " %u %d", r->cell_size, r->cell_overhead);
}

static void add_slot(struct text *t, const struct netem_values *v, const struct choppy_condition *c)
{
	const struct tc_netem_slot *s = &v->slot;

	if (field_set(c, CHOPPY_SLOT_DISTRIBUTION) && s->dist_jitter) {
		text_add(t, " slot");
		add_distribution(t, c->slot_distribution);
		add_time(t, s->dist_delay);
		add_time(t, s->dist_jitter);
	} else if (s->min_delay | s->max_delay) {
		text_add(t, " slot");
		add_time(t, s->min_delay);
		add_time(t, s->max_delay);
	} else {
		return;
	}
	if (s->max_packets)
		text_add(t, " packets %d", s->max_packets);
	if (s->max_bytes)
		text_add(t, " bytes %d", s->max_bytes);
}

int netem_tc_print(char *buf, size_t size, const struct netem_values *v,
		   const struct choppy_condition *c)
{
	struct text t = text_begin(buf, size);

	text_add(&t, "limit %u", v->qopt.limit);
	add_delay(&t, v, c);
	add_loss(&t, v);
	add_chance(&t, "duplicate", v->qopt.duplicate, v->corr.dup_corr);
	add_chance(&t, "corrupt", v->corrupt.probability, v->corrupt.correlation);
	add_chance(&t, "reorder", v->reorder.probability, v->reorder.correlation);
	if (v->reorder.probability && v->qopt.gap)
		text_add(&t, " gap %u", v->qopt.gap);
	add_rate(&t, v);
	add_slot(&t, v, c);
	if (v->seed)
		text_add(&t, " seed %" PRIu64, v->seed);
	return (int)t.len;
}

int choppy_condition_tc(char *buf, size_t size, const struct choppy_condition *c,
			struct choppy_err *err)
{
	const struct netem_held held = { 0 };
	char note[BACKEND_NOTE_MAX];
	struct netem_tables tables = { 0 };
	struct netem_values v;
	int r = backend_check(&netem_backend, c, note, err);

	if (r == 0)
		r = netem_values_of(&v, &tables, &held, c, 0, err);
	if (r == 0)
		r = netem_tc_print(buf, size, &v, c);
	netem_tables_free(&tables);
	return r;
}

/* -------------------------------------------------------------------- parse */

#define CLAUSE_TEXT 640

/* The clauses of a line, in the order in which choppy's grammar wants their parts. */
enum clause {
	DELAY,
	DISTRIBUTION,
	LOSS,
	ECN,
	DUPLICATE,
	CORRUPT,
	REORDER,
	GAP,
	RATE,
	SLOT,
	LIMIT,
	NCLAUSES,
};

struct tc_line {
	const char **words;
	int n, at;
	bool raw; /* jitter or correlation: with netem's meaning */
	char text[NCLAUSES][CLAUSE_TEXT]; /* "" where the line has none */
};

static const char *peek(const struct tc_line *l)
{
	return l->at < l->n ? l->words[l->at] : "";
}

/* Whether a number may follow, as tc looks for it. */
static bool number_next(const struct tc_line *l)
{
	const char *w = peek(l);

	return isdigit((unsigned char)w[w[0] == '-' || w[0] == '+']);
}

static int wrong(const struct tc_line *l, const char *what, struct choppy_err *err)
{
	char shown[WORD_BYTES];

	if (l->at == l->n)
		return err_set(err, -EINVAL, "tc line, at its end: %s", what);
	word_shown(shown, peek(l));
	return err_set(err, -EINVAL, "tc line, word %d ('%s'): %s", l->at + 1, shown, what);
}

static int take_share(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	const char *w = peek(l), *end = w + strspn(w, "+-0123456789.");

	if (end == w || (*end && strcmp(end, "%") != 0))
		return wrong(l, "a decimal percentage is due here, such as 30%", err);
	text_add(t, " %.*s%%", (int)(end - w), w);
	l->at++;
	return 0;
}

/* `P` and perhaps `CORRELATION`. */
static int take_chance(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	int r = take_share(l, t, err);

	if (r < 0 || !number_next(l))
		return r;
	l->raw = true;
	return take_share(l, t, err);
}

static int take_time(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	static const struct {
		const char *theirs, *ours;
	} units[] = {
		{ "s", "s" },	   { "sec", "s" },    { "secs", "s" },	{ "ms", "ms" },
		{ "msec", "ms" },  { "msecs", "ms" }, { "us", "us" },	{ "usec", "us" },
		{ "usecs", "us" }, { "ns", "ns" },    { "nsec", "ns" }, { "nsecs", "ns" },
	};
	const char *w = peek(l), *unit = w + strspn(w, "+-0123456789.");

	if (unit == w)
		return wrong(l, "a time is due here, such as 100ms", err);
	if (!*unit)
		return wrong(
			l,
			"a time needs its unit: for tc a bare number has been microseconds and "
			"nanoseconds, by version",
			err);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcasecmp(unit, units[i].theirs) != 0)
			continue;
		text_add(t, " %.*s%s", (int)(unit - w), w, units[i].ours);
		l->at++;
		return 0;
	}
	return wrong(l, "a time has the unit s, ms, us or ns", err);
}

/* A whole number with @unit behind it in choppy's words. */
static int take_number(struct tc_line *l, struct text *t, const char *unit, struct choppy_err *err)
{
	const char *w = peek(l);

	if (!*w || w[strspn(w, *unit ? "-0123456789" : "0123456789")])
		return wrong(l, "a whole decimal number is due here", err);
	text_add(t, " %s%s", w, unit);
	l->at++;
	return 0;
}

/* tc's rates: bit/s, or byte/s where the unit ends in "bps"; prefixes of 1000 or, with i, of 1024.
 */
static int rate_scale(const char *unit, uint64_t *ret)
{
	static const char prefixes[] = "kmgt";
	const char *prefix = *unit ? strchr(prefixes, tolower((unsigned char)*unit)) : NULL;
	uint64_t scale = 1, base = 1000;

	if (prefix) {
		unit++;
		if (tolower((unsigned char)*unit) == 'i') {
			base = 1024;
			unit++;
		}
		for (int i = 0; i <= prefix - prefixes; i++)
			scale *= base;
	}
	if (strcasecmp(unit, "bps") == 0)
		scale *= 8;
	else if (strcasecmp(unit, "bit") != 0 && (*unit || prefix))
		return -EINVAL;
	*ret = scale;
	return 0;
}

static int take_rate(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	const char *w = peek(l), *p = w;
	unsigned __int128 n = 0;
	uint64_t divisor = 1, scale;
	bool point = false;
	int digits = 0;

	for (; isdigit((unsigned char)*p) || (*p == '.' && !point); p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		n = n * 10 + (unsigned int)(*p - '0');
		divisor *= point ? 10 : 1;
		if (++digits > 18)
			return wrong(l, "the rate has too many digits", err);
	}
	if (!digits)
		return wrong(l, "a rate is due here, such as 1mbit", err);
	if (strcmp(p, "%") == 0)
		return wrong(l,
			     "a rate in percent of the device's speed means nothing on this link",
			     err);
	if (rate_scale(p, &scale) < 0)
		return wrong(l, "a rate has the unit bit (kbit, mbit, gbit) or bps (kbps, ...)",
			     err);
	n *= scale;
	if (n % divisor || n / divisor > UINT64_MAX)
		return wrong(l, "this is no whole number of bits a second", err);
	text_add(t, " %" PRIu64 "bit", (uint64_t)(n / divisor));
	l->at++;
	return 0;
}

/* A table where tc would find it; of the known names choppy has its own, should tc not be there. */
static int take_table(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	const char *dirs[] = { getenv("TC_LIB_DIR"), "/usr/lib/tc", "/usr/lib/*/tc",
			       "/usr/lib64/tc" };
	const char *name = peek(l);
	char pattern[512];
	glob_t g;

	if (!*name || strpbrk(name, "/*?["))
		return wrong(l, "the name of a distribution is due here, such as normal", err);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(pattern, sizeof(pattern), "%s/%s.dist", dirs[i] ? dirs[i] : "", name);
		if (!dirs[i] || glob(pattern, 0, NULL, &g) != 0)
			continue;
		text_add(t, " ");
		text_add_word(t, g.gl_pathv[0]);
		globfree(&g);
		l->at++;
		return 0;
	}
	for (unsigned int i = 0; distribution_name(i); i++) {
		if (strcmp(name, distribution_name(i)) != 0 || strcmp(name, "uniform") == 0)
			continue;
		text_add(t, " %s", name);
		l->at++;
		return 0;
	}
	return wrong(l, "tc has no table of this name", err);
}

static int parse_delay(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	int r = take_time(l, t, err);

	if (r < 0 || !number_next(l))
		return r;
	l->raw = true;
	r = take_time(l, t, err);
	return r < 0 || !number_next(l) ? r : take_share(l, t, err);
}

static int parse_loss(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	static const struct {
		const char *word;
		int most; /* values */
	} models[] = { { "state", 5 }, { "gemodel", 4 } };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (strcmp(peek(l), models[i].word) != 0)
			continue;
		text_add(t, " %s", models[i].word);
		l->at++;
		r = take_share(l, t, err);
		for (int n = 1; r == 0 && n < models[i].most && number_next(l); n++)
			r = take_share(l, t, err);
		return r;
	}
	if (strcmp(peek(l), "random") == 0)
		l->at++;
	else if (!number_next(l))
		return wrong(l, "a decimal percentage is due here, such as 30%", err);
	return take_chance(l, t, err);
}

/* ecn is a word alone. */
static int take_nothing(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	return 0;
}

static int take_count(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	return take_number(l, t, "", err);
}

/* `RATE [OVERHEAD [CELL_SIZE [CELL_OVERHEAD]]]`, where a cell of 0 is none. */
static int parse_rate(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	int r = take_rate(l, t, err);

	if (r < 0 || !number_next(l))
		return r;
	text_add(t, " overhead");
	r = take_number(l, t, "bytes", err);
	if (r < 0 || !number_next(l))
		return r;
	if (strcmp(peek(l), "0") == 0) { /* no cells */
		l->at++;
		if (number_next(l) && strcmp(peek(l), "0") != 0)
			return wrong(l, "an overhead of cells needs their size before it", err);
		l->at += number_next(l);
		return 0;
	}
	text_add(t, " cells");
	r = take_number(l, t, "bytes", err);
	if (r < 0 || number_next(l))
		return r < 0 ? r : take_number(l, t, "bytes", err);
	text_add(t, " 0bytes");
	return 0;
}

static int parse_slot(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	int r = 0;

	if (strcmp(peek(l), "distribution") == 0) {
		text_add(t, " distribution");
		l->at++;
		r = take_table(l, t, err);
		if (r == 0)
			r = take_time(l, t, err);
		if (r == 0)
			r = take_time(l, t, err);
	} else {
		r = take_time(l, t, err);
		if (r == 0 && number_next(l))
			r = take_time(l, t, err);
	}
	if (r == 0 && strcmp(peek(l), "packets") == 0) {
		l->at++;
		text_add(t, " packets");
		r = take_number(l, t, "", err);
	}
	if (r == 0 && strcmp(peek(l), "bytes") == 0) {
		l->at++;
		text_add(t, " bytes");
		r = take_number(l, t, "bytes", err);
	}
	return r;
}

static int parse_seed(struct tc_line *l, struct text *t, struct choppy_err *err)
{
	l->at--;
	return wrong(
		l,
		"a lab has one seed from its beginning: leave it out, and give choppy add --seed",
		err);
}

/* In tc's order: an abbreviation is the first word that begins so. */
static const struct {
	const char *word, *ours;
	enum clause clause;
	int (*parse)(struct tc_line *l, struct text *t, struct choppy_err *err);
} tc_words[] = {
	{ "limit", "inflight", LIMIT, take_count },
	{ "latency", "delay", DELAY, parse_delay },
	{ "delay", "delay", DELAY, parse_delay },
	{ "loss", "loss", LOSS, parse_loss },
	{ "drop", "loss", LOSS, parse_loss },
	{ "ecn", "ecn", ECN, take_nothing },
	{ "reorder", "reorder", REORDER, take_chance },
	{ "corrupt", "corrupt", CORRUPT, take_chance },
	{ "gap", "gap", GAP, take_count },
	{ "duplicate", "duplicate", DUPLICATE, take_chance },
	{ "distribution", "distribution", DISTRIBUTION, take_table },
	{ "rate", "rate", RATE, parse_rate },
	{ "slot", "slot", SLOT, parse_slot },
	{ "seed", "", LIMIT, parse_seed },
};

static int parse_word(struct tc_line *l, struct choppy_err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(tc_words); i++) {
		char *text = l->text[tc_words[i].clause];
		struct text t;
		int r;

		if (!*peek(l) || strncmp(tc_words[i].word, peek(l), strlen(peek(l))) != 0)
			continue;
		if (*text)
			return wrong(l, "this is given twice", err);
		l->at++;
		t = text_begin(text, CLAUSE_TEXT);
		text_add(&t, "%s", tc_words[i].ours);
		r = tc_words[i].parse(l, &t, err);
		return r == 0 && t.len >= CLAUSE_TEXT ? wrong(l, "this is too long", err) : r;
	}
	return wrong(l, "this is no word of netem", err);
}

/* What tc refuses, and what choppy's grammar would not see any more. */
static int check_line(const struct tc_line *l, struct choppy_err *err)
{
	if (*l->text[GAP] && !*l->text[REORDER])
		return err_set(err, -EINVAL, "tc line: gap needs a reorder: reorder 25%% gap 5");
	if (*l->text[DISTRIBUTION] && !*l->text[DELAY])
		return err_set(
			err, -EINVAL,
			"tc line: distribution needs a delay with a jitter: delay 100ms 20ms");
	return 0;
}

static int join(char *buf, size_t size, const struct tc_line *l)
{
	struct text t = text_begin(buf, size);

	for (int i = 0; i < NCLAUSES; i++)
		if (*l->text[i])
			text_add(&t, "%s%s", t.len ? " " : "", l->text[i]);
	if (!*l->text[LIMIT])
		text_add(&t, "%sinflight " TC_LIMIT, t.len ? " " : "");
	if (l->raw)
		text_add(&t, " netem-raw");
	return (int)t.len;
}

int choppy_tc_words(char *ret, size_t size, int n, const char *const *words, struct choppy_err *err)
{
	struct tc_line l = { .words = (const char **)words, .n = n };
	int r = 0;

	/* The rest of the command, where it was copied as a whole. */
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], "netem") == 0)
			l.at = i + 1;
	while (r == 0 && l.at < l.n)
		r = parse_word(&l, err);
	if (r == 0)
		r = check_line(&l, err);
	return r < 0 ? r : join(ret, size, &l);
}
