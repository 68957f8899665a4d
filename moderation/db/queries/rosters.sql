-- name: imported_person
select i.person_id from moderation.imported_people i join moderation.people p using (person_id)
where i.mark = %(mark)s and p.erased_at is null;

-- name: imported_pictures
select sha256 from moderation.imported_pictures where person_id = %(person)s;

-- name: insert_person
insert into moderation.imported_people (org_id, mark, person_id) values (%(org)s, %(mark)s, %(person)s)
on conflict (org_id, mark) do update set person_id = excluded.person_id
where exists (select 1 from moderation.people p
  where p.person_id = imported_people.person_id and p.erased_at is not null)
returning person_id;

-- name: insert_picture
insert into moderation.imported_pictures (org_id, person_id, sha256) values (%(org)s, %(person)s, %(sha256)s)
on conflict do nothing;
