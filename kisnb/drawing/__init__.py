"""Tables and charts as text, HTML, SVG and plotly figures. Nothing here knows a notebook."""
