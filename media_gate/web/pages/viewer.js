"use strict";
const picture = document.getElementById("picture");
const refuse = () => {
  picture.hidden = true;
  document.getElementById("refusal").hidden = false;
};
picture.addEventListener("error", refuse);
if (picture.complete && picture.naturalWidth === 0) refuse();