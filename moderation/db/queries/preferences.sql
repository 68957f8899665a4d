-- name: keep
update moderation.reviewers set preferences = %(preferences)s where principal = %(principal)s;

-- name: opt_out
update moderation.reviewers set opted_out = %(queues)s where principal = %(principal)s;
