-- name: keep_portrait
insert into moderation.portraits (org_id, person_id, picture, credit, kept_at)
values (%(org)s, %(person)s, %(picture)s, %(credit)s, %(now)s)
on conflict (person_id) do update
  set picture = excluded.picture, credit = excluded.credit, kept_at = excluded.kept_at;

-- name: portrait
select p.picture, p.credit, k.wrapped from moderation.portraits p
join moderation.person_keys k on k.person_id = p.person_id and k.wrapped is not null
where p.person_id = %(person)s;

-- name: has_portrait
select exists (select 1 from moderation.portraits where person_id = %(person)s);

-- name: drop_portrait
delete from moderation.portraits where person_id = %(person)s returning person_id;
