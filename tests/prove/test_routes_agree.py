"""Over 60 stories of some twenty items each, five ways back agree wherever they can know, or say that they cannot."""

from hypothesis import given, settings

from tests.recovery.changelog.stories import stories
from tests.recovery.changelog.test_routes_agree import BUCKET, OPTIONS, UNSHRUNK, check

STORIES = 60


def test_all_routes_leave_what_good_writers_alone_would_have_or_say_that_they_cannot_know(
    sandbox, aws, tmp_path, make_bench, sample
):
    sandbox.bucket(BUCKET)
    bench = make_bench(aws, tmp_path)

    @settings(max_examples=sample(STORIES), phases=UNSHRUNK)
    @given(story=stories(), options=OPTIONS)
    def agree(story, options):
        check(sandbox, bench, story, options)

    agree()
