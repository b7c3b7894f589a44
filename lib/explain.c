/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wrong word is looked for in this order: what other people call a thing, a value where a word
 * is due, a word of a clause that is not open, a name of a value, and then
 * the nearest of all words that could stand there.
 */
#include "explain.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "fields.h"
#include "near.h"
#include "util.h"

const char clear_word[] = "clear", off_word[] = "off", match_word[] = "match";

/* Other people's names for ours. */
static const struct {
	const char *word, *ours;
} synonyms[] = {
	{ "bandwidth", "rate" },
	{ "blackhole", "outage" },
	{ "buffer", "limit" },
	{ "bw", "rate" },
	{ "corruption", "corrupt" },
	{ "cut", "outage" },
	{ "disconnect", "outage" },
	{ "download", "down" },
	{ "downlink", "down" },
	{ "dup", "duplicate" },
	{ "duplication", "duplicate" },
	{ "egress", "up" },
	{ "filter", "match" },
	{ "gimodel", "loss state" },
	{ "ingress", "down" },
	{ "lag", "delay" },
	{ "latency", "delay" },
	{ "offline", "outage" },
	{ "packetloss", "loss" },
	{ "partition", "outage" },
	{ "plr", "loss" },
	{ "refuse", "reject" },
	{ "reordering", "reorder" },
	{ "throughput", "rate" },
	{ "upload", "up" },
	{ "uplink", "up" },
	{ "4g", "wpt-4g" },
	{ "chrome-4g", "chrome-slow-4g" },
	{ "satellite", "geo" },
	{ "starlink", "leo" },
};

/* Words that need more than another one. */
static const struct {
	const char *word, *advice;
} advices[] = {
	{ "correlation",
	  "a correlation has no word, it is a further value: for example loss 2% 25%" },
	{ "first", "first stands right behind a rule's expression: for example match udp first "
		   "5packets" },
	{ "nth", "nth stands right behind a rule's expression: for example match udp nth 3" },
	{ "profile", "a profile is its name alone: for example 3g" },
	{ "seed", "the seed is no part of a condition but an option: --seed N" },
};

/* What stands in expressions behind their first word (pcap-filter(7)). */
static const char *const filter_words[] = {
	"and",	"arp", "dst",  "ether", "gateway", "greater", "host", "icmp",	   "icmp6",
	"ip",	"ip6", "less", "net",	"not",	   "or",      "port", "portrange", "proto",
	"sctp", "src", "tcp",  "udp",	"vlan",	   "&&",      "||",
};

/* ------------------------------------------------------------------- usage */

/* Row @head's metavariable and those of its further values. */
static void usage_values(struct text *t, int head)
{
	int f;

	if (fields[head].metavar)
		text_add(t, fields[head].optional ? " [%s]" : " %s", fields[head].metavar);
	for (f = head + 1; f < group_end(head); f++)
		text_add(t, " [%s]", fields[f].metavar);
}

void explain_usage(struct text *t, int head)
{
	int clause = clause_begin(head), f;

	text_add(t, "%s", fields[clause].word);
	if (head != clause)
		text_add(t, " %s", fields[head].word);
	usage_values(t, head);
	for (f = clause; f < clause_end(clause); f++) {
		/* The words of the clause's own value mean nothing without it. */
		if (fields[f].place != CHOPPY_PLACE_WORD ||
		    (head != clause && fields[f].needs &&
		     !(fields[f].needs & CHOPPY_FIELD_BIT(head))))
			continue;
		text_add(t, " [%s", fields[f].word);
		usage_values(t, f);
		text_add(t, "]");
	}
}

/* A value where a word was due. */
static int stray_value(const struct spot *s, const char *shown, struct choppy_err *err)
{
	char usage[256];
	struct text t = text_begin(usage, sizeof(usage));

	if (s->clause < 0)
		return err_set(err, -EINVAL, "'%s' has no word before it: for example loss 30%%",
			       shown);
	explain_usage(&t, s->head);
	return err_set(err, -EINVAL, "'%s' is one value too many: %s%s", shown, usage,
		       fields[s->head].metavar ? "" : " takes none");
}

/* The name of a row that has no word of its own. */
static int name_without_word(int field, struct choppy_err *err)
{
	char usage[256];
	struct text t = text_begin(usage, sizeof(usage));
	int head = field;

	while (fields[head].place == CHOPPY_PLACE_VALUE)
		head--;
	explain_usage(&t, head);
	return err_set(err, -EINVAL, "%s is a further value of %s: %s", fields[field].name,
		       fields[clause_begin(field)].name, usage);
}

/* A word that stands in other clauses than the open one; 0: there is no such word. */
static int inner_word(const struct spot *s, const char *word, struct choppy_err *err)
{
	char clauses[128], usage[256];
	struct text t = text_begin(clauses, sizeof(clauses)), u = text_begin(usage, sizeof(usage));
	int f, n = 0, last = -1;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		bool inner = fields[f].place == CHOPPY_PLACE_WORD ||
			     fields[f].place == CHOPPY_PLACE_INSTEAD;

		if (!inner || strcmp(word, fields[f].word) != 0)
			continue;
		if (clause_begin(f) == s->clause && fields[f].place == CHOPPY_PLACE_INSTEAD) {
			explain_usage(&u, f);
			return err_set(err, -EINVAL, "%s stands in place of %s's own value: %s",
				       word, fields[s->clause].word, usage);
		}
		last = fields[f].place == CHOPPY_PLACE_INSTEAD ? f : clause_begin(f);
		text_add(&t, "%s%s", n++ ? " or " : "", fields[clause_begin(f)].word);
	}
	if (!n)
		return 0;
	if (n > 1)
		return err_set(err, -EINVAL, "%s belongs behind %s", word, clauses);
	explain_usage(&u, last);
	return err_set(err, -EINVAL, "%s belongs behind %s: %s", word, clauses, usage);
}

/* A name that is a value of a clause (`codel`); 0: there is none. */
static int name_of_value(const char *word, struct choppy_err *err)
{
	int f, i;

	for (f = 0; f < CHOPPY_NFIELDS; f++)
		for (i = 0; fields[f].choices && fields[f].choices[i]; i++)
			if (strcmp(word, fields[f].choices[i]) == 0)
				return err_set(err, -EINVAL, "%s is a value of %s: %s %s", word,
					       fields[f].name, fields[f].word, word);
	return 0;
}

/* ----------------------------------------------------------- nearest words */

int explain_instead(int clause, const char *word, struct choppy_err *err)
{
	struct near near = near_begin(word);
	char shown[WORD_BYTES];
	int f;

	for (f = clause; f < clause_end(clause); f++)
		if (fields[f].place == CHOPPY_PLACE_INSTEAD)
			near_try(&near, fields[f].word);
	if (!near.best)
		return 0;
	word_shown(shown, word);
	return err_set(err, -EINVAL, "%s has no '%s': did you mean '%s'?", fields[clause].word,
		       shown, near.best);
}

/* The @i-th word that may stand where a clause may, or NULL behind the last one. */
static const char *known_word(const struct spot *s, size_t i)
{
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (fields[f].place == CHOPPY_PLACE_CLAUSE && i-- == 0)
			return fields[f].word;
	if (i == 0)
		return match_word;
	i--;
	if (i < CHOPPY_NDIRS)
		return dir_words[i];
	return i == CHOPPY_NDIRS && s->for_change ? clear_word : NULL;
}

/* Words and names that may follow in the clause that is open. */
static void near_in_clause(struct near *near, int clause)
{
	int f, i;

	for (f = clause; f < clause_end(clause); f++) {
		if (f != clause && fields[f].word)
			near_try(near, fields[f].word);
		for (i = 0; fields[f].optional && fields[f].choices && fields[f].choices[i]; i++)
			near_try(near, fields[f].choices[i]);
	}
}

static const char *near_word(const struct spot *s, const char *word)
{
	const struct choppy_profile *profile = choppy_profiles();
	struct near near = near_begin(word);
	const char *known;
	size_t i;

	if (s->clause >= 0)
		near_in_clause(&near, s->clause);
	for (i = 0; (known = known_word(s, i)); i++)
		near_try(&near, known);
	for (; s->profile && profile->name; profile++)
		near_try(&near, profile->name);
	return near.best;
}

bool explain_unquoted(const struct spot *s, const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(filter_words); i++)
		if (strcmp(word, filter_words[i]) == 0)
			return true;
	if (value_like(word))
		return !word[strspn(word, "0123456789")];
	return *word && !near_word(s, word);
}

static int not_near(const struct spot *s, const char *shown, struct choppy_err *err)
{
	char list[256];
	struct text t = text_begin(list, sizeof(list));
	size_t i, n = 0;

	while (known_word(s, n))
		n++;
	for (i = 0; i < n; i++)
		text_add(&t, "%s%s", text_or(i, n + s->profile), known_word(s, i));
	if (s->profile)
		text_add(&t, " or a profile (choppy profiles)");
	return err_set(err, -EINVAL, "there is no '%s': use %s", shown, list);
}

/* --------------------------------------------------------------------- all */

int explain_known(const struct spot *s, const char *word, struct choppy_err *err)
{
	const struct choppy_profile *profile = choppy_profiles();
	size_t i;
	int f, r;

	for (i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (strcmp(word, synonyms[i].word) == 0)
			return err_set(err, -EINVAL, "there is no '%s': did you mean '%s'?", word,
				       synonyms[i].ours);
	for (i = 0; i < ARRAY_SIZE(advices); i++)
		if (strcmp(word, advices[i].word) == 0)
			return err_set(err, -EINVAL, "%s", advices[i].advice);
	for (; profile->name; profile++) {
		if (strcasecmp(word, profile->name) != 0)
			continue;
		if (s->profile)
			return err_set(err, -EINVAL, "there is no '%s': did you mean '%s'?", word,
				       profile->name);
		return err_set(err, -EINVAL,
			       "%s is a profile, which comes first: what stands behind it replaces "
			       "its clauses",
			       profile->name);
	}
	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (!fields[f].word && strcmp(word, fields[f].name) == 0)
			return name_without_word(f, err);
	r = inner_word(s, word, err);
	return r < 0 ? r : name_of_value(word, err);
}

int explain_word(const struct spot *s, const char *word, struct choppy_err *err)
{
	char shown[WORD_BYTES];
	const char *nearest;
	int r;

	word_shown(shown, word);
	if (!*word)
		return err_set(err, -EINVAL, "an empty word: leave it out");
	r = explain_known(s, word, err);
	if (r < 0)
		return r;
	if (value_like(word))
		return stray_value(s, shown, err);
	if (strcmp(word, clear_word) == 0)
		return err_set(err, -EINVAL,
			       "clear has nothing to remove here: nothing is set yet");
	if (strcmp(word, off_word) == 0)
		return err_set(err, -EINVAL,
			       "off stands behind the word of what it removes: for example loss "
			       "off");
	nearest = near_word(s, word);
	if (nearest)
		return err_set(err, -EINVAL, "there is no '%s': did you mean '%s'?", shown,
			       nearest);
	return not_near(s, shown, err);
}
