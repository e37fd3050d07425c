// Texts: every language that the button speaks, in one order of names. Owns the words and how they are chosen; refuses markup.
const NAMES = ('title|close|hide|number|country|plus|' +
  'willCall|other|forget|forgotten|when|now|' +
  'later|time|note|remember|pages|call|' +
  'numberEmpty|numberLetters|numberShort|numberLong|numberBad|timeEmpty|' +
  'timeBad|sending|asked|scheduled|queued|place|' +
  'minutes|minute|calling_customer|calling_representative|bridged|browse|' +
  'cancel|hangUp|again|completed|customer_busy|customer_no_answer|' +
  'customer_rejected|customer_unreachable|customer_hung_up|representative_unavailable|cancelled|failed|' +
  'notOpen|tooMany|already|offline|reload').split('|');
const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth'];
const LANGUAGES = {
  en: 'Talk to us|Close|Hide|Your phone number|Without +, the country is: {country}|Please begin with + and the country code|' +
    'We call {number}|Another number|Forget my number|Your number is forgotten.|When?|Now|' +
    'At a time|Day and time|What is it about? (optional)|Remember my number on this device|This page and those you saw before it are sent along.|Call me|' +
    'Please enter your phone number.|A phone number has digits only.|This number is too short.|This number is too long.|This number cannot be called.|Please choose a day and time.|' +
    'We cannot call at this time.|One moment…|Thank you. Your phone will ring soon.|We will call you {time}|You are in line|You are {place} in line|' +
    'about {n} minutes|about one minute|Calling you… pick up|Please hold, we are connecting you|Connected|You can go on browsing.|' +
    'Cancel|Hang up|Try again|The call has ended. Thank you.|Your line was busy.|Nobody picked up at your phone.|' +
    'The call was declined at your phone.|Your phone could not be reached.|You hung up before we could connect you.|Nobody is free right now. Please try again later.|The call is cancelled.|The call did not work. Please try again.|' +
    'Calls cannot be requested from this page.|Too many requests. Please try again in {n} min.|You are being called already.|We cannot reach the telephone service. Please try again.|This page is too old. Please reload it.',
  de: 'Sprechen Sie mit uns|Schließen|Ausblenden|Ihre Telefonnummer|Ohne + gilt als Land: {country}|Bitte mit + und der Landesvorwahl beginnen|' +
    'Wir rufen {number} an|Andere Nummer|Meine Nummer vergessen|Ihre Nummer ist vergessen.|Wann?|Jetzt|' +
    'Zu einer Zeit|Tag und Uhrzeit|Worum geht es? (freiwillig)|Meine Nummer auf diesem Gerät merken|Diese Seite und die zuvor besuchten werden mitgesendet.|Rufen Sie mich an|' +
    'Bitte geben Sie Ihre Telefonnummer ein.|Eine Telefonnummer hat nur Ziffern.|Diese Nummer ist zu kurz.|Diese Nummer ist zu lang.|Diese Nummer kann nicht angerufen werden.|Bitte wählen Sie Tag und Uhrzeit.|' +
    'Zu dieser Zeit können wir nicht anrufen.|Einen Moment…|Danke. Ihr Telefon klingelt gleich.|Wir rufen Sie an: {time}|Sie sind in der Warteschlange|Sie sind auf Platz {place}|' +
    'etwa {n} Minuten|etwa eine Minute|Wir rufen Sie an… bitte abheben|Bitte warten, wir verbinden Sie|Verbunden|Sie können weiter stöbern.|' +
    'Abbrechen|Auflegen|Noch einmal|Das Gespräch ist beendet. Vielen Dank.|Ihr Anschluss war besetzt.|An Ihrem Telefon hat niemand abgehoben.|' +
    'Der Anruf wurde an Ihrem Telefon abgelehnt.|Ihr Telefon war nicht erreichbar.|Sie haben aufgelegt, bevor wir verbinden konnten.|Gerade ist niemand frei. Bitte versuchen Sie es später.|Der Anruf ist abgebrochen.|Der Anruf hat nicht geklappt. Bitte versuchen Sie es noch einmal.|' +
    'Von dieser Seite kann kein Anruf bestellt werden.|Zu viele Anfragen. Bitte versuchen Sie es in {n} Min. noch einmal.|Sie werden bereits angerufen.|Der Telefondienst ist nicht erreichbar. Bitte versuchen Sie es noch einmal.|Diese Seite ist zu alt. Bitte laden Sie sie neu.',
  es: 'Hable con nosotros|Cerrar|Ocultar|Su número de teléfono|Sin +, el país es: {country}|Empiece con + y el prefijo del país|' +
    'Llamamos al {number}|Otro número|Olvidar mi número|Su número se ha olvidado.|¿Cuándo?|Ahora|' +
    'A una hora|Día y hora|¿De qué se trata? (opcional)|Recordar mi número en este dispositivo|Esta página y las que vio antes se envían también.|Llámenme|' +
    'Escriba su número de teléfono.|Un número de teléfono solo tiene cifras.|Este número es demasiado corto.|Este número es demasiado largo.|No se puede llamar a este número.|Elija un día y una hora.|' +
    'No podemos llamar a esta hora.|Un momento…|Gracias. Su teléfono sonará pronto.|Le llamaremos {time}|Está en la cola|Está en el puesto {place} de la cola|' +
    'unos {n} minutos|un minuto aproximadamente|Le estamos llamando… descuelgue|Espere, le estamos conectando|Conectado|Puede seguir navegando.|' +
    'Cancelar|Colgar|Intentar de nuevo|La llamada ha terminado. Gracias.|Su línea estaba ocupada.|Nadie contestó en su teléfono.|' +
    'La llamada fue rechazada en su teléfono.|No se pudo contactar con su teléfono.|Colgó antes de que pudiéramos conectarle.|Ahora mismo no hay nadie libre. Inténtelo más tarde.|La llamada se ha cancelado.|La llamada no funcionó. Inténtelo de nuevo.|' +
    'Desde esta página no se pueden pedir llamadas.|Demasiadas solicitudes. Inténtelo de nuevo en {n} min.|Ya le estamos llamando.|No podemos contactar con el servicio telefónico. Inténtelo de nuevo.|Esta página es demasiado antigua. Vuelva a cargarla.',
  fr: 'Parlez-nous|Fermer|Masquer|Votre numéro de téléphone|Sans +, le pays est : {country}|Commencez par + et l’indicatif du pays|' +
    'Nous appelons le {number}|Autre numéro|Oublier mon numéro|Votre numéro est oublié.|Quand ?|Maintenant|' +
    'À une heure précise|Jour et heure|De quoi s’agit-il ? (facultatif)|Retenir mon numéro sur cet appareil|Cette page et celles vues avant elle sont jointes.|Appelez-moi|' +
    'Indiquez votre numéro de téléphone.|Un numéro de téléphone n’a que des chiffres.|Ce numéro est trop court.|Ce numéro est trop long.|Ce numéro ne peut pas être appelé.|Choisissez un jour et une heure.|' +
    'Nous ne pouvons pas appeler à cette heure.|Un instant…|Merci. Votre téléphone va bientôt sonner.|Nous vous appellerons {time}|Vous êtes dans la file|Vous êtes en position {place} dans la file|' +
    'environ {n} minutes|environ une minute|Nous vous appelons… décrochez|Patientez, nous vous mettons en relation|En ligne|Vous pouvez continuer à naviguer.|' +
    'Annuler|Raccrocher|Réessayer|L’appel est terminé. Merci.|Votre ligne était occupée.|Personne n’a décroché à votre téléphone.|' +
    'L’appel a été refusé à votre téléphone.|Votre téléphone n’a pas pu être joint.|Vous avez raccroché avant la mise en relation.|Personne n’est libre pour l’instant. Réessayez plus tard.|L’appel est annulé.|L’appel n’a pas abouti. Réessayez.|' +
    'Aucun appel ne peut être demandé depuis cette page.|Trop de demandes. Réessayez dans {n} min.|Nous vous appelons déjà.|Le service téléphonique ne répond pas. Réessayez.|Cette page est trop ancienne. Rechargez-la.',
};

// The language that is wanted, where there are texts for it: the attribute, the page's, the browser's.
function languageOf(wanted, more) {
  const known = (tag) => tag && [tag, tag.split('-')[0]].find((one) => LANGUAGES[one] || typeof more[one] === 'object');
  return [wanted, document.documentElement.lang, ...(navigator.languages || [])].map(known).find(Boolean) || 'en';
}

// `more` may have texts by name, or by language and name; `said` asks an attribute first.
function speaker(language, more, said) {
  const own = (LANGUAGES[language.split('-')[0]] || LANGUAGES.en).split('|');
  const local = typeof more[language] === 'object' ? more[language] : more;
  return (name, values) => {
    const text = said(name) || local[name] || own[NAMES.indexOf(name)] || '';
    return Object.entries(values || {}).reduce((so, [key, value]) => so.replace(`{${key}}`, () => value), text);
  };
}

// "You are second in line, about 2 minutes".
function waiting(t, language, name, wait) {
  const { position, estimated_minutes: n } = wait || {};
  const place = position && (language.startsWith('en') ? ORDINALS[position - 1] || 'number ' + position : position);
  const where = name === 'queued' && place ? t('place', { place }) : t(name);
  return n ? `${where}, ${n === 1 ? t('minute') : t('minutes', { n })}` : where;
}
