/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "one.h"
#include "out.h"

#include <stdlib.h>
#include <string.h>

/* How many labs out of files are up, or -1; @ret: the first of them. */
static int count_labs(char **ret, struct choppy_err *err)
{
	struct choppy_lab lab;
	char **names;
	size_t n;
	int found = 0;

	*ret = NULL;
	if (choppy_list(&names, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (choppy_show(names[i], &lab, NULL) == 0 && lab.nodes && !found++)
			*ret = strdup(names[i]);
		free(names[i]);
	}
	free(names);
	return found;
}

char *lab_only_one(struct call *c)
{
	struct choppy_err err = { 0 };
	const char *meant = getenv("CHOPPY_LAB");
	char *one;
	int found;

	if (meant && *meant)
		return strdup(meant);
	found = count_labs(&one, &err);

	if (found == 1)
		return one;
	if (found < 0)
		out_failed(c, &err);
	else if (found)
		fprintf(c->err,
			"choppy: there are %d labs that are up: which one? LAB, --lab LAB, or "
			"$CHOPPY_LAB\n",
			found);
	else
		fprintf(c->err, "choppy: no lab is up\n");
	free(one);
	return NULL;
}

char *lab_of_part(const char *name, const char **ret_part)
{
	const char *slash = strchr(name, '/');
	char *one;

	*ret_part = slash ? slash + 1 : name;
	if (slash)
		return strndup(name, (size_t)(slash - name));
	if (getenv("CHOPPY_LAB"))
		return strdup(getenv("CHOPPY_LAB"));
	if (count_labs(&one, NULL) == 1)
		return one;
	free(one);
	return NULL;
}
