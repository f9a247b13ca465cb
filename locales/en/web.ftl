# The frame of every page, sign-in, home, errors.
brand = Watari
brand-mark = 渡り
skip = Skip to content
language = Language
language-en = English
language-fr = Français
language-ja = 日本語
nav = Main
nav-home = Home
nav-referrals = Referrals
nav-cohorts = Cohort questions
nav-messages = Messages
sign-out = Sign out
foot = Text written by people is shown as written and is never translated by machine.
role-clinician = Clinician
role-researcher = Researcher
role-it = Hospital IT
role-system = System
country-ca = Canada
country-jp = Japan

sign-in = Sign in
sign-in-as = You will be signed in as { $user } ({ $role }).
sign-in-button = Sign in
sign-in-once = This link works once. The session ends after 12 hours.

problem-detail = Detail
problem-reference = Reference for your IT team
problem-home = Go to the home page
problem-sign-in = Please sign in
problem-sign-in-advice = You are not signed in, or the link was used before or has expired. Ask for a new sign-in link.
problem-forbidden = Not allowed
problem-forbidden-advice = Your role does not allow this, or the form came from an old page. Open the page again and repeat.
problem-not-found = Not found
problem-not-found-advice = There is nothing at this address. It may have been typed wrongly, or it belongs to another institution.
problem-conflict = Something has changed
problem-conflict-advice = The present state no longer allows this, perhaps because somebody else acted first. Look at the page again.
problem-refused = This could not be accepted
problem-refused-advice = Nothing was changed. See the detail, correct it and repeat.
problem-not-supported = Not available
problem-not-supported-advice = This node does not offer this function.
problem-peer = The partner did not answer
problem-peer-advice = The partner institution could not be reached or answered wrongly. Nothing is lost; try again later.
problem-failed = The node could not do this
problem-failed-advice = Nothing was changed. Try again in a moment; if it happens again, give your IT team the reference.

home-greeting = Welcome, { $user }
home-figures = At a glance
home-waiting = referrals waiting for you
home-received = open referrals received
home-sent = open referrals sent
home-questions = cohort questions asked
home-messages = messages received
home-translated = translated
home-quarantined = kept aside, need attention
home-patients = patients in the record
home-queued = waiting to be delivered
home-dead = could not be delivered
home-unfiled = not taken by a local system
home-new-referral = New referral
home-all-referrals = All referrals
home-new-question = Ask a question
home-all-messages = All messages
home-peers = Partner institutions
home-no-peers = No partner institution has been paired yet.
peer-institution = Institution
peer-country = Country
peer-state = State
peer-services = Services
peer-paired = Paired on
peer-active = Active
peer-revoked = Revoked

clock-moment = { $day }, { $time } { $zone }
clock-day = { $month } { $day }, { $year }
clock-year-month = { $month } { $year }
clock-age-now = just now
clock-age-minutes = { $n ->
    [one] { $shown } minute ago
   *[other] { $shown } minutes ago
}
clock-age-hours = { $n ->
    [one] { $shown } hour ago
   *[other] { $shown } hours ago
}
clock-age-days = { $n ->
    [one] { $shown } day ago
   *[other] { $shown } days ago
}
clock-month-1 = Jan
clock-month-2 = Feb
clock-month-3 = Mar
clock-month-4 = Apr
clock-month-5 = May
clock-month-6 = Jun
clock-month-7 = Jul
clock-month-8 = Aug
clock-month-9 = Sep
clock-month-10 = Oct
clock-month-11 = Nov
clock-month-12 = Dec

pages-newer = Newer
pages-older = Older
pages = Pages
