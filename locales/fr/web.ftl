# Le cadre de chaque page, l'ouverture de session, l'accueil, les erreurs.
brand = Watari
brand-mark = 渡り
skip = Aller au contenu
language = Langue
language-en = English
language-fr = Français
language-ja = 日本語
nav = Principal
nav-home = Accueil
nav-referrals = Demandes de consultation
nav-cohorts = Questions de cohorte
nav-messages = Messages
sign-out = Fermer la session
foot = Les textes rédigés par des personnes sont affichés tels quels et ne sont jamais traduits automatiquement.
role-clinician = Clinicien
role-researcher = Chercheur
role-it = Informatique hospitalière
role-system = Système
country-ca = Canada
country-jp = Japon

sign-in = Ouvrir une session
sign-in-as = Une session sera ouverte au nom de { $user } ({ $role }).
sign-in-button = Ouvrir la session
sign-in-once = Ce lien ne sert qu’une fois. La session se termine après 12 heures.

problem-detail = Précision
problem-reference = Référence pour votre équipe informatique
problem-home = Aller à l’accueil
problem-sign-in = Veuillez ouvrir une session
problem-sign-in-advice = Vous n’avez pas de session ouverte, ou le lien a déjà servi ou est expiré. Demandez un nouveau lien.
problem-forbidden = Accès non autorisé
problem-forbidden-advice = Votre rôle ne le permet pas, ou le formulaire provenait d’une page périmée. Rouvrez la page et recommencez.
problem-not-found = Introuvable
problem-not-found-advice = Il n’y a rien à cette adresse. Elle est peut-être mal saisie, ou elle appartient à un autre établissement.
problem-conflict = La situation a changé
problem-conflict-advice = L’état actuel ne le permet plus, peut-être parce qu’une autre personne a agi avant vous. Consultez la page de nouveau.
problem-refused = La demande n’a pas pu être acceptée
problem-refused-advice = Rien n’a été modifié. Voyez la précision, corrigez et recommencez.
problem-not-supported = Non offert
problem-not-supported-advice = Ce nœud n’offre pas cette fonction.
problem-peer = Le partenaire n’a pas répondu
problem-peer-advice = L’établissement partenaire est injoignable ou a mal répondu. Rien n’est perdu; réessayez plus tard.
problem-failed = Le nœud n’a pas pu le faire
problem-failed-advice = Rien n’a été modifié. Réessayez dans un instant; si cela se reproduit, transmettez la référence à votre équipe informatique.

home-greeting = Bienvenue, { $user }
home-figures = En un coup d’œil
home-waiting = demandes en attente de votre intervention
home-received = demandes reçues en cours
home-sent = demandes envoyées en cours
home-questions = questions de cohorte posées
home-messages = messages reçus
home-translated = traduits
home-quarantined = mis de côté, à examiner
home-patients = patients au dossier
home-queued = en attente de remise
home-dead = n’ont pas pu être remis
home-unfiled = non reçus par un système local
home-new-referral = Nouvelle demande
home-all-referrals = Toutes les demandes
home-new-question = Poser une question
home-all-messages = Tous les messages
home-peers = Établissements partenaires
home-no-peers = Aucun établissement partenaire n’est encore jumelé.
peer-institution = Établissement
peer-country = Pays
peer-state = État
peer-services = Services
peer-paired = Jumelé le
peer-active = Actif
peer-revoked = Révoqué

clock-moment = { $day }, { $time } { $zone }
clock-day = { $day } { $month } { $year }
clock-year-month = { $month } { $year }
clock-age-now = à l’instant
clock-age-minutes = { $n ->
    [one] il y a { $shown } minute
   *[other] il y a { $shown } minutes
}
clock-age-hours = { $n ->
    [one] il y a { $shown } heure
   *[other] il y a { $shown } heures
}
clock-age-days = { $n ->
    [one] il y a { $shown } jour
   *[other] il y a { $shown } jours
}
clock-month-1 = janv.
clock-month-2 = févr.
clock-month-3 = mars
clock-month-4 = avr.
clock-month-5 = mai
clock-month-6 = juin
clock-month-7 = juill.
clock-month-8 = août
clock-month-9 = sept.
clock-month-10 = oct.
clock-month-11 = nov.
clock-month-12 = déc.

pages-newer = Plus récents
pages-older = Plus anciens
pages = Pages
