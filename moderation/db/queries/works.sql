-- name: insert_work
insert into moderation.works (org_id, work_id, person_id, list_id, title, names, pictures, created_at)
values (%(org)s, %(work)s, %(person)s, %(list)s, %(title)s, %(names)s, %(pictures)s, %(now)s);

-- name: work_locked
select person_id, list_id, withdrawn_at from moderation.works where work_id = %(work)s for update;

-- name: works_locked
select work_id, list_id from moderation.works where person_id = %(person)s and withdrawn_at is null
order by work_id for update;

-- name: withdraw_work
update moderation.works set withdrawn_at = %(now)s where work_id = %(work)s;

-- name: works
select w.work_id, w.person_id, w.title, w.names, w.pictures, w.created_at, v.model, v.made_at as embedded_at
from moderation.works w left join moderation.work_vectors v on v.work_id = w.work_id
where w.withdrawn_at is null and (%(person)s::text is null or w.person_id = %(person)s)
order by w.created_at, w.work_id;

-- name: keep_vectors
insert into moderation.work_vectors (org_id, work_id, model, rows, vectors, made_at)
values (%(org)s, %(work)s, %(model)s, %(rows)s, %(vectors)s, %(now)s)
on conflict (work_id) do update
  set model = excluded.model, rows = excluded.rows, vectors = excluded.vectors, made_at = excluded.made_at;

-- name: forget_vectors
delete from moderation.work_vectors where work_id = %(work)s;

-- name: vectors_listed
-- Every work in force that has pictures, and when the network in use saw them; null where it never did.
select w.work_id, v.made_at from moderation.works w
left join moderation.work_vectors v on v.work_id = w.work_id and v.model = %(model)s
where w.withdrawn_at is null and w.pictures > 0;

-- name: vectors_of_works
select work_id, made_at, rows, vectors from moderation.work_vectors
where model = %(model)s and work_id = any(%(works)s);

-- name: prints_of
select e.hash from moderation.hash_entries e join moderation.hash_lists l on l.list_no = e.list_no
where l.list_id = %(list)s and e.kind = 'p' and e.enabled;

-- name: holder
select kind from moderation.people where person_id = %(person)s and erased_at is null for update;
