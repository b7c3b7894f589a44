/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was asked of a direction and what came of it, in one line. A measured loss stands with the
 * interval that it would be in by chance, where each packet is judged on its own.
 */
#include "describe.h"
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Losses that are no emulation: choppy's own. */
static const bool own_drop[CHOPPY_NDROPS] = {
	[CHOPPY_DROP_MEMORY] = true,
	[CHOPPY_DROP_RECEIVE] = true,
	[CHOPPY_DROP_SEND] = true,
};

static bool has(const struct choppy_condition *c, int field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

/* ------------------------------------------------------------------- rules */

void describe_rule(FILE *f, const struct choppy_rules *rules, uint32_t i, enum choppy_dir d,
		   bool with_condition)
{
	struct choppy_rules one = { .n = 1, .rule = { rules->rule[i] } };
	char *text;
	int n;

	if (!with_condition)
		one.rule[0].condition.set = 0;
	n = choppy_rules_print(NULL, 0, &one, d);
	text = malloc((size_t)n + 1);
	if (!text)
		return;
	choppy_rules_print(text, (size_t)n + 1, &one, d);
	fputs(text, f);
	free(text);
}

void describe_condition(FILE *f, const struct choppy_condition dir[CHOPPY_NDIRS],
			const struct choppy_rules *rules)
{
	char words[CHOPPY_CONDITION_TEXT_MAX];
	bool some = dir[CHOPPY_UP].set || dir[CHOPPY_DOWN].set;
	uint32_t i;

	if (some || !rules->n) {
		choppy_condition_print_both(words, sizeof(words), dir);
		fputs(words, f);
	}
	for (i = 0; i < rules->n; i++) {
		uint32_t dirs = rules->rule[i].dirs;
		enum choppy_dir d = dirs & CHOPPY_DIR_BIT(CHOPPY_UP) ? CHOPPY_UP : CHOPPY_DOWN;

		fprintf(f, "%s%s", some || i ? ", " : "",
			dirs == CHOPPY_BOTH ? ""
			: d == CHOPPY_UP    ? "up "
					    : "down ");
		describe_rule(f, rules, i, d, true);
		if (dirs == CHOPPY_BOTH)
			fputs(" each way", f);
	}
}

/* ------------------------------------------------------------- the summary */

/* Decimals that show an interval @width wide (in percent) with two figures of its own. */
static int decimals(double width)
{
	int n = 1;

	while (n < 7 && width > 0 && width < 1) {
		width *= 10;
		n++;
	}
	return n;
}

#define LOSS_FIELDS                                                                                \
	(CHOPPY_FIELD_BIT(CHOPPY_LOSS) | CHOPPY_FIELD_BIT(CHOPPY_LOSS_EVERY) |                     \
	 CHOPPY_FIELD_BIT(CHOPPY_GE_P) | CHOPPY_FIELD_BIT(CHOPPY_STATE_P13))

/* Whether rules for @d ask for other losses than the direction does. */
static bool rules_lose(const struct choppy_lab *lab, enum choppy_dir d)
{
	uint32_t i;

	for (i = 0; i < lab->rules.n; i++)
		if ((lab->rules.rule[i].dirs & CHOPPY_DIR_BIT(d)) &&
		    (lab->rules.rule[i].condition.set & LOSS_FIELDS))
			return true;
	return false;
}

/* Why the binomial interval does not hold for what was counted; NULL: it does. */
static const char *not_binomial(const struct choppy_lab *lab, enum choppy_dir d)
{
	const struct choppy_condition *c = &lab->dir[d];

	if (rules_lose(lab, d))
		return "rules ask for losses of their own";
	if (has(c, CHOPPY_TRACE))
		return "the trace may ask for others";
	if (!has(c, CHOPPY_LOSS) || has(c, CHOPPY_LOSS_BURST) ||
	    (has(c, CHOPPY_LOSS_CORRELATION) && c->loss_correlation_ppb))
		return "no interval: not each packet on its own";
	return NULL;
}

static void summary_loss(FILE *f, const struct choppy_lab *lab, enum choppy_dir d)
{
	const struct choppy_counters *n = &lab->counters[d];
	double ask = choppy_condition_loss(&lab->dir[d]), range[2];
	const char *why = not_binomial(lab, d);
	int k;

	if (ask < 0 && !rules_lose(lab, d))
		return;
	if (n->judged == 0) {
		fprintf(f, ", loss not measured");
		return;
	}
	choppy_interval(n->judged_lost, n->judged, range);
	k = decimals(100 * (range[1] - range[0]));
	fprintf(f, ", %.*f%% of %" PRIu64 " lost", k,
		100 * (double)n->judged_lost / (double)n->judged, n->judged);
	if (!why)
		fprintf(f, ", 95%% interval %.*f-%.*f (asked is %s)", k, 100 * range[0], k,
			100 * range[1], ask >= range[0] && ask <= range[1] ? "inside" : "outside");
	else if (ask < 0)
		fprintf(f, " (%s)", why);
	else
		fprintf(f, " (asked in the long run: %.*f%%; %s)", k, 100 * ask, why);
}

/* What happened to packets that arrived: how many, and the share that was asked for. */
static void summary_effects(FILE *f, const struct choppy_condition *asked,
			    const struct choppy_counters *n)
{
	const struct {
		uint64_t n;
		const char *what;
		int field; /* of the share that was asked, or -1 */
	} rows[] = {
		{ n->duplicated, "duplicated", CHOPPY_DUPLICATE },
		{ n->corrupted, "corrupted", CHOPPY_CORRUPT },
		{ n->reordered, "reordered", CHOPPY_REORDER },
		{ n->marked, "marked", -1 },
		{ n->replies, "replies", -1 },
		{ n->fragments, "fragments", -1 },
	};
	const struct choppy_field_row *row = choppy_fields();
	char share[64];
	size_t i;
	int k = 0;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int field = rows[i].field;

		if (!rows[i].n || rows[i].n == CHOPPY_UNKNOWN)
			continue;
		fprintf(f, "%s%" PRIu64 " %s", k++ ? ", " : "; ", rows[i].n, rows[i].what);
		if (field < 0 || !has(asked, field))
			continue;
		choppy_value_print(share, sizeof(share), &row[field],
				   (const char *)asked + row[field].offset);
		fprintf(f, " (asked %s)", share);
	}
}

/* What the rules were for; one that nothing fell under was a wrong expression, most likely. */
static void summary_rules(FILE *f, const struct choppy_lab *lab, enum choppy_dir d)
{
	uint32_t i;

	for (i = 0; i < lab->rules.n; i++) {
		if (!(lab->rules.rule[i].dirs & CHOPPY_DIR_BIT(d)))
			continue;
		fputs("; ", f);
		describe_rule(f, &lab->rules, i, d, false);
		if (lab->matched[d][i])
			fprintf(f, ": %" PRIu64 " packet%s", lab->matched[d][i],
				lab->matched[d][i] == 1 ? "" : "s");
		else
			fprintf(f, ": no packet matched");
	}
}

/* ": loss 12, queue 3" of the drops that are choppy's own, or of those that are emulated. */
static void summary_drops(FILE *f, const struct choppy_counters *n, bool own)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < CHOPPY_NDROPS; i++)
		if (own_drop[i] == own)
			sum += n->dropped[i];
	if (!sum)
		return;
	if (own)
		fprintf(f, "; LOST BY CHOPPY ITSELF:");
	else
		fprintf(f, "; %" PRIu64 " dropped:", sum);
	for (i = 0, sum = 0; i < CHOPPY_NDROPS; i++)
		if (own_drop[i] == own && n->dropped[i])
			fprintf(f, "%s %s %" PRIu64, sum++ ? "," : "",
				choppy_drop_name((enum choppy_drop)i), n->dropped[i]);
}

static void summary_lateness(FILE *f, const struct choppy_counters *n)
{
	char p50[32], p99[32];

	if (!n->late_samples)
		return;
	out_time(p50, sizeof(p50), n->late_p50_ns);
	out_time(p99, sizeof(p99), n->late_p99_ns);
	fprintf(f, "; late p50 %s p99 %s", p50, p99);
}

/* The words of what was asked in @d; false: nothing was. */
static bool summary_asked(FILE *f, const struct choppy_lab *lab, enum choppy_dir d)
{
	char words[CHOPPY_CONDITION_TEXT_MAX];
	bool some = lab->dir[d].set;
	uint32_t i;

	choppy_condition_print(words, sizeof(words), &lab->dir[d]);
	fputs(words, f);
	for (i = 0; i < lab->rules.n; i++) {
		if (!(lab->rules.rule[i].dirs & CHOPPY_DIR_BIT(d)))
			continue;
		fputs(some ? " " : "", f);
		describe_rule(f, &lab->rules, i, d, true);
		some = true;
	}
	fprintf(f, "%s asked", some ? "" : "no condition");
	return some;
}

void describe_summary(FILE *f, const struct choppy_lab *lab, enum choppy_dir d)
{
	const struct choppy_counters *n = &lab->counters[d];
	bool asked = summary_asked(f, lab, d);

	if (n->packets == 0) {
		fprintf(f, "; no packet passed%s", asked ? ": the condition was never tried" : "");
	} else {
		summary_loss(f, lab, d);
		fprintf(f, "; %" PRIu64 " packets in, %" PRIu64 " delivered", n->packets,
			n->delivered);
		if (n->waiting)
			fprintf(f, ", %" PRIu64 " on the way", n->waiting);
		summary_effects(f, &lab->dir[d], n);
		summary_rules(f, lab, d);
	}
	summary_drops(f, n, false);
	summary_lateness(f, n);
	summary_drops(f, n, true);
}
