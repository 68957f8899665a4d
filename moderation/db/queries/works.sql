-- name: insert_work
insert into moderation.works (org_id, work_id, person_id, list_id, title, names, pictures, created_at)
values (%(org)s, %(work)s, %(person)s, %(list)s, %(title)s, %(names)s, %(pictures)s, %(now)s);

-- name: work_locked
select person_id, list_id, withdrawn_at from moderation.works where work_id = %(work)s for update;

-- name: withdraw_work
update moderation.works set withdrawn_at = %(now)s where work_id = %(work)s;

-- name: works
select work_id, person_id, title, names, pictures, created_at from moderation.works
where withdrawn_at is null and (%(person)s::text is null or person_id = %(person)s) order by created_at, work_id;

-- name: holder
select kind from moderation.people where person_id = %(person)s and erased_at is null for update;
