window.demoire.translate(element);
