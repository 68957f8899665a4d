-- A public figure's record and the record of a cameo of the same human: the cameo's grants rule for both.
alter table moderation.people add column same_as text references moderation.people,
  add constraint figures_have_cameos check (same_as is null or (kind = 'public_figure' and same_as <> person_id));
create index people_same_as on moderation.people (same_as) where same_as is not null;
