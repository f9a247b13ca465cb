# Messages reçus.
messages = Messages reçus
messages-by-status = Par état
messages-by-channel = Par canal
messages-all = Tous
messages-none = Aucun message ne correspond.
channel-all = Tous les canaux
channel-mllp = MLLP
channel-hl7v2 = Fichiers HL7 v2
channel-ssmix2 = SS-MIX2
channel-csv = CSV
channel-ccda = C-CDA
channel-fhir = FHIR
channel-peer = Partenaire
message-translated = Traduit
message-quarantined = Mis de côté
message-kind = Message
message-status = État
message-outcome = Résultat
message-channel = Canal
message-received = Reçu
message-resources = { $n ->
    [one] { $shown } ressource écrite
   *[other] { $shown } ressources écrites
}
message-no-reason = Aucune raison n’a été consignée.
message-warnings = À vérifier
message-why = Pourquoi il a été mis de côté, et quoi faire
message-quarantine-means = Les octets sont conservés tels que reçus. Rien de ce message ne figure au dossier.
message-about = À propos de ce message
message-control-id = Identifiant de contrôle
message-size = Taille
message-bytes = { $n ->
    [one] { $shown } octet
   *[other] { $shown } octets
}
message-id = Identifiant local
message-digest = SHA-256 des octets
message-source = Source
message-written = Versé au dossier
message-written-none = Rien n’a été versé au dossier.
message-content = Contenu tel que reçu
message-masked = Le contenu est masqué, car il peut nommer un patient. Son affichage est consigné au journal d’audit.
message-reveal = Afficher le contenu
message-revealed = Vous voyez le contenu tel que reçu. Cet affichage a été consigné au journal d’audit.
not-given = non précisé
losses = Ce qu’est devenu chaque champ
losses-about = Chaque champ non vide figure ici : il a été transposé, conservé dans l’original seulement, ou écarté pour la raison indiquée.
losses-none = Il n’y a pas de rapport de champs pour ce message.
loss-mapped = Transposé
loss-kept-raw = Conservé dans l’original
loss-dropped = Écarté
loss-source = Champ
loss-outcome = Résultat
loss-target = Élément, ou raison
loss-reason-field-untaken = Aucune ligne de transposition ne prend ce champ ; il reste dans l’original seulement.
loss-reason-segment-untaken = Aucune ligne de transposition ne prend ce segment ; il reste dans l’original seulement.
loss-reason-site-segment = Segment propre à l’établissement ; il reste dans l’original seulement.
loss-reason-no-place = L’élément qui reçoit le champ n’a pas de place pour cette composante.
loss-reason-nulled = L’expéditeur l’efface (valeur nulle explicite) ; l’élément est donc omis.
loss-fields = { $n ->
    [one] { $shown } champ
   *[other] { $shown } champs
}
loss-summary = { $fields }, dont { $lost }
loss-lost = { $n ->
    [one] { $shown } écarté
   *[other] { $shown } écartés
}

fields = Les champs, tous messages confondus
fields-about = Ce qu’est devenu chaque champ source dans l’ensemble des messages versés au dossier. Ce qui se perd le plus souvent vient en premier : c’est ce qu’il faut transposer ensuite.
fields-none = Rien n’a été perdu.
fields-seen = Occurrences
fields-why = Raison
