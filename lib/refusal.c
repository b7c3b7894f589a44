/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel says no in one word, whoever made it do so. What the settings say is only used to
 * explain a refusal that has happened, never to foresee one.
 */
#include "refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "util.h"

static const struct row {
	int error; /* EPERM stands for EACCES too, ENOSPC for EUSERS */
	const char *file, *key, *value; /* @key: begins the line; "": the file is one value */
	struct refusal refusal;
} rows[] = {
	{ ENOSPC,
	  "sys/user/max_user_namespaces",
	  "",
	  "0",
	  { "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=10000" } },
	{ EPERM,
	  "sys/kernel/unprivileged_userns_clone",
	  "",
	  "0",
	  { "kernel.unprivileged_userns_clone is 0",
	    "sudo sysctl -w kernel.unprivileged_userns_clone=1" } },
	{ EPERM,
	  "sys/kernel/apparmor_restrict_unprivileged_userns",
	  "",
	  "1",
	  { "AppArmor takes a user namespace's powers away "
	    "(kernel.apparmor_restrict_unprivileged_userns is 1)",
	    "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" } },
	{ EPERM,
	  "self/status",
	  "Seccomp:",
	  "2",
	  { "a seccomp filter forbids it, as container engines have it",
	    "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
	    "--security-opt systempaths=unconfined ..." } },
	/* By then choppy is in a user namespace, whose own limits say nothing of those above it. */
	{ ENOSPC,
	  "sys/user/max_user_namespaces",
	  "",
	  NULL,
	  { "too many namespaces of one kind, or too many levels of user namespaces",
	    "sudo sysctl -w user.max_user_namespaces=100000 user.max_net_namespaces=100000 "
	    "user.max_pid_namespaces=100000 user.max_mnt_namespaces=100000" } },
};

/* Whether the file's value, or the one behind @key, is @value (NULL: whatever it is). */
static bool matches(const char *proc, const struct row *row)
{
	char path[256], line[256], text[64];
	size_t key = strlen(row->key);
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", proc, row->file);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strncmp(line, row->key, key) == 0 &&
			sscanf(line + key, "%63s", text) == 1 &&
			(!row->value || strcmp(text, row->value) == 0);
	fclose(f);
	return found;
}

const struct refusal *refusal_find(const char *proc, int error)
{
	int e = error == -EACCES ? EPERM : error == -EUSERS ? ENOSPC : -error;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].error == e && matches(proc, &rows[i]))
			return &rows[i].refusal;
	return NULL;
}

void refusal_explain(struct choppy_err *err)
{
	const struct refusal *r = err && err->code < 0 ? refusal_find("/proc", err->code) : NULL;
	char text[sizeof(err->msg)];

	if (!r)
		return;
	snprintf(text, sizeof(text), "%s", err->msg);
	err_cannot(err, err->code, "%s: %s; %s", text, r->why, r->mend);
}
